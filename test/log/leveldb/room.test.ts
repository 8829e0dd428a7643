import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRoom, measureRoom } from '../../../lib/log/leveldb/room.js';
import { withFolder } from '../../helpers/folder.js';
import { keyOf, noise, open, readNumbers } from './database.js';

const it = suite('log/leveldb/room');

const VALUE_BYTES = 10_000;

/** Ten megabytes in tables, in the order of their keys. */
async function withTables(use: (dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'db');
    await open(dir, true, async (store) => {
      for (let from = 0; from < 1000; from += 100) {
        const puts = Array.from(
          { length: 100 },
          (_, n) => [keyOf(from + n), noise(from + n, VALUE_BYTES)] as const,
        );
        await store.commit(new Map(puts));
      }
      await store.compact({ gte: '!', lt: '~' });
    });
    await use(dir);
  });
}

async function keysIn(dir: string): Promise<number[]> {
  return await open(dir, false, async (store) => {
    const keys = await store.scanKeys({ gte: '!', lt: '~' }, 2000);
    return keys.map((key) => Number(key.slice(-16)));
  });
}

async function tables(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.endsWith('.ldb'));
}

it('what no MANIFEST knows goes', async () => {
  await withTables(async (dir) => {
    const before = await tables(dir);
    await writeFile(join(dir, '900000.ldb'), Buffer.alloc(5000));
    assert.is((await measureRoom(dir, [])).freeable, 5000);
    await makeRoom(dir, []);
    assert.equal(await tables(dir), before);
    assert.is((await keysIn(dir)).length, 1000);
  });
});

it('tables that hold nothing but dead keys go, those with others stay, and LevelDB goes on', async () => {
  await withTables(async (dir) => {
    const before = await tables(dir);
    const dead = [{ gte: keyOf(0), lt: keyOf(650) }];
    const { freeable } = await measureRoom(dir, dead);
    assert.ok(freeable > 4_000_000, String(freeable));
    await makeRoom(dir, dead);
    assert.ok((await tables(dir)).length < before.length);
    assert.is((await measureRoom(dir, dead)).freeable, 0);
    const keys = await keysIn(dir);
    assert.ok(keys[0]! < 650 && keys.length < 650);
    assert.equal(
      keys,
      Array.from({ length: 1000 - keys[0]! }, (_, n) => n + keys[0]!),
    );
    await open(
      dir,
      false,
      async (store) => await store.commit(new Map([[keyOf(1000), Buffer.from('more')]])),
    );
    assert.is((await keysIn(dir)).length, keys.length + 1);
  });
});

it('a range that holds no table whole costs nothing', async () => {
  await withTables(async (dir) => {
    const before = await tables(dir);
    await makeRoom(dir, [{ gte: keyOf(10), lt: keyOf(20) }]);
    assert.equal(await tables(dir), before);
    assert.is((await readNumbers(dir)).changed, 1000, 'all there, if not what other tests write');
  });
});

it.run();
