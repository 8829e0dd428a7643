import { rm, stat } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalError } from '../../lib/errors.js';
import type { TakeConfig } from '../../lib/instances/take.js';
import { takeLog } from '../../lib/instances/take.js';
import { databaseFolder, isFolder } from '../../lib/log/folder.js';
import type { Log } from '../../lib/log/log.js';
import { Wal } from '../../lib/wal.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { openLog } from '../helpers/log.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { rejection } from '../helpers/rejection.js';
import { until } from '../helpers/until.js';
import { withHouse } from './house.js';

const it = suite('instances/take');

/** What NODE_APP_INSTANCE says for the duration of a call. */
async function withNumber(number: string, use: () => Promise<void>): Promise<void> {
  const before = process.env['NODE_APP_INSTANCE'];
  process.env['NODE_APP_INSTANCE'] = number;
  try {
    await use();
  } finally {
    if (before === undefined) delete process.env['NODE_APP_INSTANCE'];
    else process.env['NODE_APP_INSTANCE'] = before;
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return ((await rejection(promise)) as WalError).code;
}

it('is main unless told otherwise, and main is held by one', async () => {
  await withFolder(async (varDir) => {
    const open = () => Wal.open({ service: 'test', varDir, reserveBytes: 0, clock: new ManualClock() });
    const wal = await open();
    assert.is(wal.stats().instance, 'main');
    const error = await rejection(open());
    assert.is((error as WalError).code, 'WAL_LOCKED');
    assert.match(error.message, `process ${process.pid}`);
    await wal.close();
    await (await open()).close();
  });
});

it('auto takes the first that is free', async () => {
  await withHouse(async ({ live }) => {
    const first = await live('auto');
    const second = await live('auto');
    const instances = () => [first, second].map(({ wal }) => wal.stats().instance);
    assert.equal(instances(), ['worker-0', 'worker-1']);
    await first.wal.close();
    const third = await live('auto');
    assert.is(third.wal.stats().instance, 'worker-0');
  });
});

it('auto takes the number that the process manager gives, or while that is in use, a free one', async () => {
  await withHouse(async ({ live }) => {
    await withNumber('3', async () => {
      assert.is((await live('auto')).wal.stats().instance, 'worker-3');
      assert.is((await live('auto')).wal.stats().instance, 'worker-0');
      assert.is((await live('given')).wal.stats().instance, 'given', 'who has a name does not look at it');
    });
    await withNumber('../3', async () => {
      const error = await rejection(live('auto'));
      assert.is((error as WalError).code, 'WAL_CONFIG');
      assert.match(error.message, 'NODE_APP_INSTANCE');
    });
  });
});

it('a folder that is removed while it is opened is made again', async () => {
  await withFolder(async (varDir) => {
    const clock = new ManualClock();
    const config: TakeConfig = {
      service: 'test',
      instance: 'worker-1',
      preferredInstance: undefined,
      varDir,
      clock,
    };
    let opens = 0;
    const log = await takeLog(config, async (dir, instance) => {
      // As a sibling that had adopted the log: before it is looked at, or when it was opened.
      if (++opens === 1) await rm(dir, { recursive: true });
      const opened: Promise<Log> =
        opens === 1
          ? Promise.reject(new Error('ENOENT'))
          : openLog(dir, clock, { create: { service: 'test', instance } });
      return await opened;
    });
    assert.is(opens, 2);
    assert.is((await stat(log.dir)).mode & 0o777, 0o700);
    await log.close();
  });
});

it('a folder that LevelDB made in place of a removed one is as private as any', async () => {
  await withFolder(async (varDir) => {
    const clock = new ManualClock();
    const create = { service: 'test', instance: 'worker-1' };
    const log = await takeLog({ ...create, preferredInstance: undefined, varDir, clock }, async (dir) => {
      await rm(dir, { recursive: true });
      return await openLog(dir, clock, { create });
    });
    assert.is((await stat(log.dir)).mode & 0o777, 0o700);
    assert.ok(await isFolder(databaseFolder(log.dir)));
    await log.close();
  });
});

it('a holder that can’t be asked is waited for a little, and no longer', async () => {
  await withFolder(async (varDir) => {
    const clock = new ManualClock();
    const open = () => Wal.open({ service: 'test', varDir, reserveBytes: 0, clock });
    const { dir } = await open().then(async (wal) => {
      await wal.close();
      return wal;
    });
    const holder = new URL('../instances/holder-process.ts', import.meta.url);
    await withChild(holder, [databaseFolder(dir)], async (child) => {
      assert.is(await child.next(), 'held');
      const waiting = rejection(open());
      let waits = 0;
      const over = waiting.then(() => true);
      for (let done = false; !done;) {
        done = await Promise.race([over, until(() => clock.pending > 0).then(() => false)]);
        if (!done) waits++;
        clock.advance(100);
      }
      assert.is(((await waiting) as WalError).code, 'WAL_LOCKED');
      assert.is(waits, 19);
      const patient = open();
      await until(() => clock.pending > 0);
      await child.kill();
      clock.advance(100);
      await (await patient).close();
    });
  });
});

it('says that an option does not fit', async () => {
  const options = { service: 'test', varDir: '/', clock: new ManualClock() };
  assert.is(await codeOf(Wal.open({ ...options, instance: 'Worker' })), 'WAL_CONFIG');
  // @ts-expect-error: from JavaScript.
  assert.is(await codeOf(Wal.open({ ...options, adopt: 'yes' })), 'WAL_CONFIG');
});

it.run();
