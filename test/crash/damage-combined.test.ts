// Damage for which LevelDB's own repair is needed, which brings back more than was there: deleted entries, and
// cursors that were overwritten. And damage that comes with the loss of its witness.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Picture, Pictures } from './damage-lab.js';
import { databaseFiles, withPictures } from './damage-lab.js';
import type { Damage } from './damage-trial.js';
import { cut, flip, remove, trial } from './damage-trial.js';
import { isLong } from './long.js';

const it = suite('crash/damage-combined');

const none = { lost: 0, duplicates: 0 };

/** What LevelDB can't open: it finds out anew which files belong together. */
async function misfits(picture: Picture): Promise<[what: string, Damage][]> {
  const [manifest] = await databaseFiles(picture.dir, /^MANIFEST/);
  return [
    ['no CURRENT', remove('db/CURRENT')],
    ['no MANIFEST', remove(manifest!)],
    ['a flipped byte in the MANIFEST', flip(manifest!, 70, 1)],
    ['a cut MANIFEST', cut(manifest!, 60)],
  ];
}

async function everyPicture(use: (picture: Picture, name: string) => Promise<void>): Promise<void> {
  await withPictures(async (pictures: Pictures) => {
    for (const name of ['pinned', 'crashed', 'closed'] as const) {
      if (isLong || name !== 'closed') await use(pictures[name], name);
    }
  });
}

it('after a repair nothing is lost, and nothing that was deleted is back: with an iterator open at the crash, and with deletes in the log file', async () => {
  await everyPicture(async (picture, name) => {
    for (const [what, damage] of await misfits(picture)) {
      assert.equal(await trial(picture, damage), none, `${name}: ${what}`);
    }
  });
});

it('nor without a mark', async () => {
  await everyPicture(async (picture, name) => {
    for (const [what, damage] of (await misfits(picture)).slice(0, isLong ? 4 : 1)) {
      const both: Damage = async (dir) => {
        await rm(join(dir, 'mark'));
        await damage(dir);
      };
      const { lost } = await trial(picture, both, { mark: false });
      assert.is(lost, 0, `${name}: ${what}`);
    }
  });
});

it('a table that is gone as well is lost, and no more', async () => {
  await withPictures(async ({ crashed }) => {
    for (const table of await databaseFiles(crashed.dir, /\.ldb$/)) {
      const alone = await trial(crashed, remove(table));
      const both: Damage = async (dir) => {
        await rm(join(dir, table));
        await rm(join(dir, 'db', 'CURRENT'));
      };
      assert.equal(await trial(crashed, both), alone, table);
      assert.ok(alone.lost > 0);
    }
  });
});

it('without a mark, what a log file loses in its midst is counted, and what its end loses is not known', async () => {
  await withPictures(async ({ crashed }) => {
    const [log] = await databaseFiles(crashed.dir, /\.log$/);
    const midst: Damage = async (dir) => {
      await rm(join(dir, 'mark'));
      await flip(log!, 20, 3)(dir);
    };
    assert.is((await trial(crashed, midst, { mark: false })).lost, 1);
    const end: Damage = async (dir) => {
      await rm(join(dir, 'mark'));
      await cut(log!, 20_000)(dir);
    };
    assert.is((await trial(crashed, end, { mark: false, end: false })).lost, 0);
  });
});

it.run();
