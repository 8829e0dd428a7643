// A repair is interrupted, comes twice at once, or is not anyone's to do: the database is what it was, or repaired.

import { cp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { WalEvent } from '../../lib/events.js';
import { maskedCrc } from '../../lib/log/leveldb/checksum.js';
import { layoutOf } from '../../lib/log/leveldb/table.js';
import { Wal } from '../../lib/wal.js';
import { withChild } from '../helpers/child.js';
import { ManualClock } from '../helpers/manual-clock.js';
import type { AnyWal } from '../helpers/wal.js';
import type { Picture } from './damage-lab.js';
import { copyLog, damageOptions, databaseFiles, withPictures } from './damage-lab.js';
import { checkPromises } from './damage-promises.js';
import { cut, flip, remove, trial, withCopy } from './damage-trial.js';
import { rounds } from './long.js';

const it = suite('crash/damage-repair');
const PROCESS = new URL('damage-process.ts', import.meta.url);

async function opens(picture: Picture, varDir: string): Promise<void> {
  const events: WalEvent[] = [];
  const onEvent = (event: WalEvent) => void events.push(event);
  await using wal = (await Wal.open(
    damageOptions(varDir, { clock: new ManualClock(), onEvent }),
  )) as unknown as AnyWal;
  await checkPromises(picture.facts, wal, events);
  assert.ok(events.some(({ type }) => type === 'recovered'));
}

async function damagedCopies(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.startsWith('db.damaged-'));
}

/** A folder whose database was repaired, with the damaged one beside it. */
async function withRepaired(
  use: (dir: string, copy: string, picture: Picture, varDir: string) => Promise<void>,
) {
  await withPictures(async ({ crashed }) => {
    await withCopy(crashed, async (varDir, dir) => {
      await remove('db/CURRENT')(dir);
      await (await Wal.open(damageOptions(varDir))).close();
      const [copy] = await damagedCopies(dir);
      await use(dir, join(dir, copy!), crashed, varDir);
    });
  });
}

it('what was there is kept, whole', async () => {
  await withRepaired(async (dir, copy, { dir: before }) => {
    const kept = (await readdir(copy)).filter((name) => !/^(LOCK|LOG.*)$/.test(name)).toSorted();
    const was = (await readdir(join(before, 'db')))
      .filter((name) => !/^(CURRENT|LOG.*)$/.test(name))
      .toSorted();
    assert.equal(kept, was);
    for (const name of kept) {
      assert.is((await stat(join(copy, name))).size, (await stat(join(before, 'db', name))).size, name);
    }
    const left = (await readdir(dir)).filter((name) => /^db\.(repair|repaired|guard)$/.test(name));
    assert.equal(left, []);
  });
});

it('interrupted while it copies or repairs the copy, it begins again', async () => {
  await withPictures(async ({ crashed }) => {
    await withCopy(crashed, async (varDir, dir) => {
      const [table] = await databaseFiles(dir, /\.ldb$/);
      await copyLog(join(dir, 'db'), join(dir, 'db.repair'));
      await rm(join(dir, 'db.repair', 'CURRENT'));
      await flip(table!, 20, 1)(dir);
      await opens(crashed, varDir);
    });
  });
});

it('interrupted before the damaged database is moved away, it is finished', async () => {
  await withRepaired(async (dir, copy, picture, varDir) => {
    await rename(join(dir, 'db'), join(dir, 'db.repaired'));
    await rename(copy, join(dir, 'db'));
    await opens(picture, varDir);
    assert.is((await damagedCopies(dir)).length, 1);
  });
});

it('interrupted before the repaired database takes its place, it is finished', async () => {
  await withRepaired(async (dir, _copy, picture, varDir) => {
    await rename(join(dir, 'db'), join(dir, 'db.repaired'));
    await opens(picture, varDir);
    assert.is((await damagedCopies(dir)).length, 1);
  });
});

it('killed at any time, it is done by the next open', async () => {
  await withPictures(async ({ pinned }) => {
    for (let n = 0; n < rounds(2, 40); n++) {
      await withCopy(pinned, async (varDir, dir) => {
        await remove('db/CURRENT')(dir);
        await withChild(PROCESS, [varDir], async (child) => {
          const opened = child.next().catch(() => 'killed');
          await Promise.race([opened, sleep(rounds(1200, 700) + Math.random() * 600)]);
        });
        const events: WalEvent[] = [];
        const options = damageOptions(varDir, {
          clock: new ManualClock(),
          onEvent: (event) => void events.push(event),
        });
        await using wal = (await Wal.open(options)) as unknown as AnyWal;
        await checkPromises(pinned.facts, wal, events);
      });
    }
  });
});

it('of two that come at once, one repairs and opens it, and the other is told that it is locked', async () => {
  await withPictures(async ({ crashed }) => {
    await withCopy(crashed, async (varDir, dir) => {
      await remove('db/CURRENT')(dir);
      await withChild(PROCESS, [varDir], async (first) => {
        await withChild(PROCESS, [varDir], async (second) => {
          assert.equal(
            [await first.next(), await second.next()].toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
            ['WAL_LOCKED', 'open'],
          );
        });
      });
      assert.is((await damagedCopies(dir)).length, 1);
      const options = damageOptions(varDir, { clock: new ManualClock() });
      await using wal = (await Wal.open(options)) as unknown as AnyWal;
      await checkPromises(crashed.facts, wal, []);
    });
  });
});

it('somebody who works with the database keeps it, whatever its files look like', async () => {
  await withPictures(async ({ closed }) => {
    await withCopy(closed, async (varDir, dir) => {
      await withChild(PROCESS, [varDir], async (holder) => {
        assert.is(await holder.next(), 'open');
        const current = (await databaseFiles(dir, /^CURRENT$/))[0]!;
        await cp(join(dir, current), join(dir, 'CURRENT.kept'));
        await rm(join(dir, current));
        await withChild(PROCESS, [varDir], async (other) => assert.is(await other.next(), 'WAL_LOCKED'));
        await rename(join(dir, 'CURRENT.kept'), join(dir, current));
        holder.send('close');
        assert.is(await holder.next(), 'closed');
      });
      assert.equal(await damagedCopies(dir), []);
      await using wal = (await Wal.open(damageOptions(varDir))) as unknown as AnyWal;
      assert.equal((await wal.verify()).problems, []);
    });
  });
});

it('a tool that looks in refuses a damaged database, says what is wrong, and changes nothing', async () => {
  await withPictures(async ({ crashed }) => {
    const [table] = await databaseFiles(crashed.dir, /\.ldb$/);
    const [manifest] = await databaseFiles(crashed.dir, /^MANIFEST/);
    const damages = {
      [table!.slice(3)]: flip(table!, 100, 1),
      'the log': cut(manifest!, 60),
      CURRENT: remove('db/CURRENT'),
      'a repair was interrupted': async (dir: string) =>
        await copyLog(join(dir, 'db'), join(dir, 'db.repair')),
    };
    for (const [says, damage] of Object.entries(damages)) {
      await withCopy(crashed, async (_varDir, dir) => {
        await damage(dir);
        const before = await databaseFiles(dir, /^(?!LO)/);
        const refused = await Wal.openFolder(dir).catch((error: unknown) => error);
        assert.ok(refused instanceof WalError && refused.code === 'WAL_CORRUPT', String(refused));
        assert.ok(refused.message.includes(says) || says === 'the log', refused.message);
        assert.equal(await databaseFiles(dir, /^(?!LO)/), before);
      });
    }
  });
});

it('three damaged databases are kept at most: the first, and the last two', async () => {
  await withPictures(async ({ crashed }) => {
    await withCopy(crashed, async (varDir, dir) => {
      const seen: string[] = [];
      for (let n = 0; n < 5; n++) {
        await remove('db/CURRENT')(dir);
        await (await Wal.open(damageOptions(varDir))).close();
        for (const name of await damagedCopies(dir)) if (!seen.includes(name)) seen.push(name);
      }
      assert.is(seen.length, 5);
      assert.equal((await damagedCopies(dir)).toSorted(), [seen[0], seen[3], seen[4]]);
    });
  });
});

it('a copied folder with the mark of another log is not compared with it', async () => {
  await withPictures(async ({ crashed }) => {
    const foreign = async (dir: string) => {
      const { Mark } = await import('../../lib/log/mark.js');
      const mark = new Mark(dir, 'F'.repeat(16), new ManualClock());
      const head = { seq: 0, offset: 0 };
      mark.set(
        new Map([
          ['audit', { kind: 'audit', lastSeq: 1e6, endOffset: 0, head, cursors: new Map(), notices: [] }],
        ]),
      );
      await mark.close();
    };
    assert.is((await trial(crashed, foreign)).lost, 0);
  });
});

it('a key that LevelDB can not read, in a block whose checksum fits, is repaired with its block', async () => {
  await withPictures(async ({ closed }) => {
    // As a compaction leaves it that read a damaged block.
    const { lost } = await trial(closed, async (dir) => {
      for (const file of await databaseFiles(dir, /\.ldb$/)) {
        const content = await readFile(join(dir, file));
        const plain = layoutOf(content)!.data.filter(({ offset, size }) => content[offset + size] === 0);
        for (const { offset, size } of plain) {
          const keyBytes = content[offset + 1]!;
          const key = content.indexOf('!', offset);
          content[key + keyBytes - 8] = 0x7f;
          content.writeUInt32LE(maskedCrc(content, offset, offset + size + 1), offset + size + 1);
        }
        await writeFile(join(dir, file), content);
      }
    });
    assert.ok(lost > 0);
  });
});

it.run();
