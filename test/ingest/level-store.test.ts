import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLevelStore } from '../../lib/ingest/index.js';
import type { IngestStore } from '../../lib/ingest/index.js';
import { keys, seal } from '../../lib/ingest/level-keys.js';
import { withFolder } from '../helpers/receiver.js';
import { skipIf } from '../helpers/skip.js';
import { addContract, batch, codeOf, idsOf, line, lines } from './store-contract.js';

const it = suite('ingest/level-store');

async function withStore(use: (store: IngestStore, dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    await using store = await openLevelStore(dir);
    await use(store, dir);
  });
}

addContract(it, async (use) => {
  await withStore(async (store, dir) => await use(store, () => openLevelStore(dir)));
});

it('the folder is made, for its owner alone', async () => {
  await withStore(async (_, dir) => {
    assert.is((await stat(dir)).mode & 0o777, 0o700);
    assert.ok((await readdir(dir)).includes('CURRENT'));
  });
});

it('a store that is open already is locked', async () => {
  await withStore(async (_, dir) => {
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_LOCKED');
  });
});

it('a folder that can not be is a configuration error that names it', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'file'), 'x');
    for (const dir of [join(folder, 'file'), join(folder, 'no', 'store'), join(folder, 'file', 'store')]) {
      assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_CONFIG');
    }
  });
});

const rootWrites = process.getuid?.() === 0 && 'root may write anywhere';
skipIf(it, rootWrites)('a folder that is not writable is an I/O error that names it', async () => {
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    await mkdir(dir, { mode: 0o500 });
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_IO');
    await chmod(folder, 0o500);
    assert.is(await codeOf(openLevelStore(join(folder, 'other')), 'other'), 'WAL_IO');
    await chmod(folder, 0o700);
  });
});

it('a database of something else is refused and left as it is', async () => {
  await withFolder(async (folder) => {
    const other = new Level(folder);
    await other.put('!meta!logId', 'x');
    await other.close();
    assert.is(await codeOf(openLevelStore(folder), folder), 'WAL_CONFIG');
    await other.open();
    assert.equal(await other.keys().all(), ['!meta!logId']);
    await other.close();
  });
});

/** Changes a stored value behind the store's back, as a bad disk would. */
async function damage(dir: string, key: string, change: (value: Buffer) => Buffer): Promise<void> {
  const db = new Level<string, Buffer>(dir, { valueEncoding: 'buffer' });
  const value = await db.get(key);
  assert.ok(value, `nothing under ${key}`);
  await db.put(key, change(Buffer.from(value)));
  await db.close();
}

const flipLastBit = (value: Buffer) => {
  value[value.length - 1]! ^= 1;
  return value;
};

it('a damaged line is noticed at reading, and healed when it is sent again', async () => {
  await withFolder(async (dir) => {
    const first = await openLevelStore(dir);
    await first.store(batch(lines(1, 3)));
    await first.close();
    await damage(dir, keys.line('audit', line(2).id), flipLastBit);

    await using store = await openLevelStore(dir);
    assert.is(await codeOf(idsOf(store), line(2).id.slice(0, 16)), 'WAL_CORRUPT');
    assert.equal(await store.store(batch(lines(1, 3))), { accepted: 0, duplicates: 3, conflicts: [] });
    assert.is((await idsOf(store)).length, 3);
    assert.is(await store.count('audit'), 3);
  });
});

it('a damaged count is counted again', async () => {
  await withFolder(async (dir) => {
    const first = await openLevelStore(dir);
    await first.store(batch(lines(1, 3)));
    await first.close();
    await damage(dir, keys.count('audit'), flipLastBit);

    await using store = await openLevelStore(dir);
    assert.is(await codeOf(store.count('audit'), dir), 'WAL_CORRUPT');
    await store.store(batch(lines(4, 5)));
    assert.is(await store.count('audit'), 5);
  });
});

it('a newer format is refused', async () => {
  await withFolder(async (dir) => {
    await (await openLevelStore(dir)).close();
    await damage(dir, keys.format, () => seal(keys.format, Buffer.from('2')));
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_FORMAT_TOO_NEW');
    await damage(dir, keys.format, flipLastBit);
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_CORRUPT');
  });
});

it.run();
