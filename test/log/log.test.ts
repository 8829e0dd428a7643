import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readOwner } from '../../lib/log/folder.js';
import { FORMAT, keys, seal } from '../../lib/log/keyspace.js';
import { Log } from '../../lib/log/log.js';
import { systemClock } from '../../lib/clock.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { appendEntries, deliver, entriesOf, openLog, seqsOnDisk, withLog } from '../helpers/log.js';
import { rejection, rejectsWith } from '../helpers/rejection.js';

const it = suite('log/log');

/** Ms that an open and close take, the best of some. */
async function openMs(dir: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 3; n++) {
    const before = performance.now();
    const log = await openLog(dir, systemClock);
    times.push(performance.now() - before);
    await log.close();
  }
  return Math.min(...times);
}

it('a log of 1 M records opens as fast as an empty one, within 100 ms', async () => {
  await withFolder(async (empty) => {
    await withLog({}, async (log, { dir }) => {
      const records = Array<string>(100_000).fill('{}');
      for (let n = 0; n < 10; n++) await log.append([{ kind: 'log', records }], 200_000, 0);
      assert.is(log.stream('log').lastSeq, 1_000_000);
      await log.close();
      const [full, none] = [await openMs(dir), await openMs(empty)];
      assert.ok(full <= none + 100, `${full} ms with 1 M records, ${none} ms with none`);
    });
  });
});

it('a reopened log stands where it stood, under its id and a new writer id', async () => {
  await withLog({ cursors: ['log/default', 'audit/default', 'audit/siem'] }, async (log, { reopen }) => {
    await appendEntries(log, 'log', [3, 4]);
    await appendEntries(log, 'audit', [5]);
    await deliver(log, 'audit', 'siem', 2);
    const before = structuredClone(log.streams);
    const again = await reopen();
    assert.equal(again.streams, before);
    assert.equal(again.identity, log.identity);
    assert.is.not(again.writerId, log.writerId);
    assert.match(again.writerId, /^[0-9A-HJKMNP-TV-Z]{16}$/);
    await appendEntries(again, 'log', [1]);
    assert.is(again.stream('log').lastSeq, 8);
  });
});

it('after everything was delivered and deleted, numbering goes on', async () => {
  await withLog({}, async (log, { reopen }) => {
    await appendEntries(log, 'log', [5, 5]);
    await deliver(log, 'log', 'default');
    assert.equal(await entriesOf(log.store, 'log'), []);
    const again = await reopen();
    await appendEntries(again, 'log', [2]);
    assert.equal(await seqsOnDisk(again.store, 'log'), [11, 12]);
    const { offset } = (await entriesOf(again.store, 'log'))[0]!;
    assert.is(offset, again.stream('log').head.offset);
  });
});

it('a log that is open is locked, by the process that the message names', async () => {
  await withLog({}, async (_log, { dir }) => {
    await rejectsWith(openLog(dir, systemClock), 'WAL_LOCKED', dir, `process ${process.pid}`);
  });
});

it('a log that another process holds is locked, by the pid of that process', async () => {
  await withFolder(async (dir) => {
    await withChild(new URL('holding-process.ts', import.meta.url), [dir], async (child) => {
      assert.is(await child.next(), 'open');
      await rejectsWith(openLog(dir, systemClock), 'WAL_LOCKED', `process ${child.pid}`);
    });
    await (await openLog(dir, systemClock)).close();
  });
});

it('owner.json says who holds the log, and is gone when nobody does', async () => {
  await withLog({}, async (log, { dir, clock }) => {
    const owner = await readOwner(dir);
    assert.equal(owner, { pid: process.pid, started: clock.now(), writerId: log.writerId });
    await log.close();
    assert.is(await readOwner(dir), undefined);
  });
});

it('a log of another service or instance is refused, and stays as it was', async () => {
  await withLog({}, async (log, { dir }) => {
    await log.close();
    for (const create of [
      { service: 'other', instance: 'main' },
      { service: 'test', instance: 'two' },
    ]) {
      const refused = openLog(dir, systemClock, { create });
      await rejectsWith(refused, 'WAL_CONFIG', 'test/main', `${create.service}/${create.instance}`, dir);
    }
    await (await openLog(dir, systemClock)).close();
  });
});

it('a log of a newer format is refused by its number', async () => {
  await withLog({}, async (_log, { behindItsBack, reopen }) => {
    const key = keys.meta('format');
    const refused = behindItsBack((store) => store.commit(new Map([[key, seal(key, FORMAT + 1)]])));
    await rejectsWith(refused, 'WAL_FORMAT_TOO_NEW', String(FORMAT + 1));
    await rejection(reopen());
  });
});

it('no log is made where none is asked for', async () => {
  await withFolder(async (dir) => {
    const { create: _, ...options } = { create: undefined, clock: systemClock, dir };
    const opened = Log.open({
      ...options,
      repairs: false,
      reserveBytes: 0,
      maxBytes: 1,
      onEvent: () => {},
    });
    await rejectsWith(opened, 'WAL_CONFIG', `no log in ${dir}`);
  });
});

it('a copied log opens beside the original, as the same log', async () => {
  await withFolder(async (folder) => {
    await withLog({}, async (log, { dir }) => {
      await appendEntries(log, 'log', [3]);
      await log.close();
      const copy = join(folder, 'copy');
      await cp(dir, copy, { recursive: true });
      const [one, two] = [await openLog(dir, systemClock), await openLog(copy, systemClock)];
      assert.is(one.identity.logId, two.identity.logId);
      assert.is.not(one.writerId, two.writerId);
      await Promise.all([one.close(), two.close()]);
    });
  });
});

it('close is shared by all who ask for it, and takes what waits', async () => {
  await withLog({}, async (log, { reopen }) => {
    const appended = log.append([{ kind: 'log', records: ['{}'] }], 2, 60_000);
    const [first, second] = [log.close(), log.close()];
    await Promise.all([first, second, appended]);
    await rejectsWith(log.flush(), 'WAL_CLOSED');
    await rejectsWith(log.store.scanKeys({ gte: '!', lt: '"' }, 1), 'WAL_CLOSED');
    assert.is((await reopen()).stream('log').lastSeq, 1);
  });
});

it('what is measured is what the folder holds', async () => {
  await withLog({}, async (log, { dir, clock }) => {
    const began = clock.now();
    await appendEntries(log, 'log', [5]);
    clock.advance(5000);
    await appendEntries(log, 'log', [5]);
    const bytes = await log.measure();
    assert.is(log.diskBytes, bytes);
    assert.ok(bytes >= (await readFile(join(dir, 'owner.json'))).length);
    assert.is(log.oldestAppendedAt('log'), began);
    await deliver(log, 'log', 'default');
    assert.is(log.oldestAppendedAt('log'), undefined);
  });
});

it.run();
