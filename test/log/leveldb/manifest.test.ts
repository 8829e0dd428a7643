import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeManifest, readManifest } from '../../../lib/log/leveldb/manifest.js';
import { fileOf, flippedAt, keyOf, readNumbers, replace, withDatabase } from './database.js';

const it = suite('log/leveldb/manifest');

it('says which tables there are, how large, with which keys, and which log comes first', async () => {
  await withDatabase({}, async (dir) => {
    const manifest = readManifest((await fileOf(dir, /^MANIFEST/)).content)!;
    assert.is(manifest.tables.size, 1);
    const [number, { bytes, smallest, largest }] = [...manifest.tables][0]!;
    assert.is((await stat(join(dir, `${String(number).padStart(6, '0')}.ldb`))).size, bytes);
    assert.is(smallest.subarray(0, -8).toString(), keyOf(0));
    assert.is(largest.subarray(0, -8).toString(), keyOf(399));
    assert.ok(await stat(join(dir, `${String(manifest.logNumber).padStart(6, '0')}.log`)));
    assert.ok(manifest.lastSequence >= 400);
  });
});

it('is none where it is cut in its first record, or damaged in front of its last', async () => {
  await withDatabase({}, async (dir) => {
    const { content } = await fileOf(dir, /^MANIFEST/);
    const first = 7 + content.readUInt16LE(4);
    for (let length = 0; length < first; length += 5) {
      assert.is(readManifest(content.subarray(0, length)), undefined);
    }
    for (let at = 0; at < first; at++) assert.is(readManifest(flippedAt(content, at)), undefined);
  });
});

it('written anew in one piece, LevelDB goes on from it as from its own', async () => {
  await withDatabase({}, async (dir) => {
    const { path, content } = await fileOf(dir, /^MANIFEST/);
    const manifest = readManifest(content)!;
    const encoded = encodeManifest(manifest);
    assert.equal(readManifest(encoded), manifest);
    await replace(path, encoded);
    assert.is((await readNumbers(dir)).sound.length, 460);
    assert.is((await readNumbers(dir)).sound.length, 460);
  });
});

it.run();
