// Opens that meet somebody else's work on the same folder.

import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../lib/clock.js';
import { WalError } from '../../lib/errors.js';
import { findSiblings } from '../../lib/instances/siblings.js';
import { databaseFolder } from '../../lib/log/folder.js';
import type { Log } from '../../lib/log/log.js';
import { holdGuard } from '../../lib/log/guard.js';
import { whileClosed } from '../../lib/log/recover.js';
import { openStore } from '../../lib/log/store.js';
import { Wal } from '../../lib/wal.js';
import { withFolder } from '../helpers/folder.js';
import { appendEntries, openLog, withLog } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';

const it = suite('log/start');

it('of many that open at once, one does, and all others are told that it is locked', async () => {
  await withFolder(async (dir) => {
    for (let round = 0; round < 10; round++) {
      const opens = await Promise.allSettled(Array.from({ length: 6 }, () => openLog(dir, systemClock)));
      const opened: Log[] = [];
      for (const open of opens) {
        if (open.status === 'fulfilled') opened.push(open.value);
        else {
          const { reason } = open as { reason: unknown };
          assert.ok(reason instanceof WalError && reason.code === 'WAL_LOCKED', String(reason));
        }
      }
      assert.is(opened.length, 1);
      await opened[0]!.close();
    }
  });
});

it('a database that a crash left aside is put back, and not what was begun in its place', async () => {
  await withLog({}, async (log, { dir }) => {
    await appendEntries(log, 'log', [3]);
    await log.close();
    await rename(databaseFolder(dir), join(dir, 'db.aside'));
    const begun = await openStore(databaseFolder(dir), true);
    await rejectsWith(openLog(dir, systemClock, { repairs: true }), 'WAL_LOCKED');
    await begun.close();
    const again = await openLog(dir, systemClock, { repairs: true });
    assert.is(again.stream('log').lastSeq, 3);
    await again.close();
  });
});

it('who never repairs finds it aside and puts it back, unless somebody lives who works on it', async () => {
  await withFolder(async (folder) => {
    const dir = join(folder, 'worker-1');
    await mkdir(dir);
    const log = await openLog(dir, systemClock);
    await log.addCursors([['log', 'default']]);
    await appendEntries(log, 'log', [3]);
    await log.close();
    const giveBack = await holdGuard(dir);
    await whileClosed(dir, systemClock, async () => {
      await rejectsWith(Wal.openFolder(dir), 'WAL_LOCKED');
    });
    await giveBack();
    await rename(databaseFolder(dir), join(dir, 'db.aside'));
    const { logs } = await findSiblings(join(folder, 'main'));
    assert.equal(
      logs.map(({ instance }) => instance),
      ['worker-1'],
    );
    const wal = await Wal.openFolder(dir);
    assert.is(wal.stats().streams['log']?.lastSeq, 3);
    await wal.close();
  });
});

it('who opens what is there takes an empty folder for no log, and leaves it empty', async () => {
  await withFolder(async (dir) => {
    await mkdir(databaseFolder(dir));
    await rejectsWith(Wal.openFolder(dir), 'WAL_CONFIG');
    assert.equal([await readdir(dir), await readdir(databaseFolder(dir))], [['db'], []]);
  });
});

it('a database that is changed while it is aside comes back, also where another one is held in its place', async () => {
  await withLog({}, async (log, { dir }) => {
    await appendEntries(log, 'log', [3]);
    await log.close();
    let close = async () => {};
    await whileClosed(dir, systemClock, async () => {
      const begun = await openStore(databaseFolder(dir), true);
      close = () => begun.close();
    });
    await close();
    const again = await openLog(dir, systemClock);
    assert.is(again.stream('log').lastSeq, 3);
    await again.close();
  });
});

it.run();
