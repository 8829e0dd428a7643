// A flipped byte and a cut, at every region of every file of a real log, and every file empty and gone: it opens
// and keeps its promises (damage-promises.ts). The long run goes through every file byte by byte, in steps.

import { appendFile, readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { layoutOf } from '../../lib/log/leveldb/table.js';
import type { Picture } from './damage-lab.js';
import { databaseFiles, withPictures } from './damage-lab.js';
import type { Expected, Outcome } from './damage-promises.js';
import type { Damage } from './damage-trial.js';
import { cut, flip, remove, trial } from './damage-trial.js';
import { isLong, rounds } from './long.js';

const it = suite('crash/damage');

/** Bytes between two places that the long run damages. */
const STEP = 97;
/** The long run's steps through files that no record is in. */
const SMALL_STEP = 3;

async function attempt(
  what: string,
  picture: Picture,
  damage: Damage,
  expected?: Expected,
): Promise<Outcome> {
  try {
    return await trial(picture, damage, expected);
  } catch (error) {
    // Which damage it was is what one needs to know first.
    if (error instanceof Error) error.message = `${what}: ${error.message}`;
    throw error;
  }
}

/** Places in a table: the first bytes, each kind of block, the index, the footer. */
async function placesInTable(path: string): Promise<number[]> {
  const file = await readFile(path);
  const { data, metaindex, filters } = layoutOf(file)!;
  const blocks = [...data.slice(0, 2), ...data.slice(-1), ...filters, metaindex];
  const inBlocks = blocks.flatMap(({ offset, size }) => [
    offset,
    offset + 1,
    offset + (size >> 1),
    offset + size,
  ]);
  const index = metaindex.offset + metaindex.size + 5;
  return [...inBlocks, index, index + 20, file.length - 48, file.length - 47, file.length - 1];
}

async function placesIn(path: string, step: number): Promise<number[]> {
  const { size } = await stat(path);
  if (isLong) return Array.from({ length: Math.ceil(size / step) }, (_, n) => n * step);
  if (path.endsWith('.ldb')) return await placesInTable(path);
  // The header of the first frame, its content, the second block, the end.
  return [0, 4, 5, 6, 7, 20, 32_768 + 5, size >> 1, size - 1].filter((at) => at < size);
}

/** Flips a bit at each place, and, in the long run, cuts there. */
async function damagePlaces(picture: Picture, files: string[], step: number, every = 1): Promise<number> {
  let trials = 0;
  for (const file of files) {
    for (const [n, at] of (await placesIn(join(picture.dir, file), step)).entries()) {
      if (n % every !== 0) continue;
      await attempt(
        `bit ${n % 8} of byte ${at} of ${file}`,
        picture,
        flip(file, at, n % 8),
        expectedOf(file),
      );
      trials++;
      if (!isLong || n % 4 !== 0) continue;
      await attempt(`${file} cut at ${at}`, picture, cut(file, at), expectedOf(file));
      trials++;
    }
  }
  return trials;
}

/** Without its mark a log is as good as it was, but a second damage would find no witness. */
function expectedOf(file: string): Expected {
  return { mark: file !== 'mark' };
}

it('a table, with a flipped byte anywhere', async () => {
  await withPictures(async ({ crashed }) => {
    const files = await databaseFiles(crashed.dir, /\.ldb$/);
    assert.ok(files.length > 1);
    const trials = await damagePlaces(crashed, files, STEP, rounds(5, 1));
    console.log(`\n${trials} damaged tables`);
  });
});

it('a log file, with a flipped byte anywhere', async () => {
  await withPictures(async ({ crashed, closed }) => {
    for (const picture of isLong ? [crashed, closed] : [crashed]) {
      const trials = await damagePlaces(picture, await databaseFiles(picture.dir, /\.log$/), STEP);
      console.log(`\n${trials} damaged log files`);
    }
  });
});

it('CURRENT, MANIFEST, mark, owner.json and reserve, with a flipped byte anywhere', async () => {
  await withPictures(async ({ crashed }) => {
    const files = [
      ...(await databaseFiles(crashed.dir, /^(CURRENT|MANIFEST.*)$/)),
      'mark',
      'owner.json',
      'reserve',
    ];
    await damagePlaces(crashed, files.slice(0, -2), SMALL_STEP, rounds(5, 1));
    await damagePlaces(crashed, files.slice(-2), STEP, rounds(5, 1));
  });
});

it('any file cut in half, empty, or gone, and the whole database', async () => {
  await withPictures(async ({ crashed }) => {
    const database = await readdir(join(crashed.dir, 'db'));
    const files = [...database.map((name) => join('db', name)), 'mark', 'owner.json', 'reserve', 'unclean'];
    for (const file of files) {
      const { size } = await stat(join(crashed.dir, file));
      await attempt(`${file} gone`, crashed, remove(file), expectedOf(file));
      await attempt(`${file} cut in half`, crashed, cut(file, size >> 1), expectedOf(file));
      if (isLong) await attempt(`${file} empty`, crashed, cut(file, 0), expectedOf(file));
    }
    await attempt('db gone', crashed, remove('db'));
  });
});

it('a MANIFEST whose last write reached the disk in part loses nothing', async () => {
  await withPictures(async ({ crashed, closed }) => {
    for (const picture of [crashed, closed]) {
      const [manifest] = await databaseFiles(picture.dir, /^MANIFEST/);
      // The checksum and the length are there: LevelDB takes it for damage, where it expects a write that was cut off.
      const half = Buffer.concat([Buffer.from('86a19ea90900', 'hex'), Buffer.alloc(10)]);
      const { lost } = await attempt('half a frame', picture, (dir) =>
        appendFile(join(dir, manifest!), half),
      );
      assert.is(lost, 0);
    }
  });
});

it('one flipped byte loses no more than one commit of the log file, or one block of a table', async () => {
  await withPictures(async ({ crashed }) => {
    const [log] = await databaseFiles(crashed.dir, /\.log$/);
    const { lost } = await attempt('the first commit', crashed, flip(log!, 20, 3));
    assert.is(lost, 1);
    for (const file of await databaseFiles(crashed.dir, /\.ldb$/)) {
      const { size } = await stat(join(crashed.dir, file));
      for (const at of [size - 1, size - 46, size - 60]) {
        assert.equal(await attempt(`footer or index of ${file}`, crashed, flip(file, at, 1)), {
          lost: 0,
          duplicates: 0,
        });
      }
    }
  });
});

it.run();
