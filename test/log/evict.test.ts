import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StreamPolicy } from '../../lib/config.js';
import type { Eviction } from '../../lib/log/evict.js';
import { evictOlder, evictToBounds, lose } from '../../lib/log/evict.js';
import { keys } from '../../lib/log/keyspace.js';
import { backlogOf } from '../../lib/log/ledger.js';
import type { Log } from '../../lib/log/log.js';
import { trim } from '../../lib/log/operations.js';
import { readAfter } from '../../lib/log/read.js';
import { backlogBytes, storedBytes } from '../../lib/log/state.js';
import { verifyLog } from '../../lib/log/verify.js';
import { appendEntries, bytesOnDisk, damage, deliver, numbers, seqsOnDisk, withLog } from '../helpers/log.js';
import type { OpenLog } from '../helpers/log.js';

const it = suite('log/evict');

/** Entries of ten records each, a second apart. */
async function appendTens(log: Log, clock: OpenLog['clock'], count: number, kind = 'log'): Promise<void> {
  for (let n = 0; n < count; n++) {
    await appendEntries(log, kind, [10]);
    clock.advance(1000);
  }
}

/** Evicts the first entries of a stream whose entries are a second apart. */
async function evictFirst(log: Log, count: number, undelivered = true): Promise<Eviction[]> {
  const began = log.identity.created;
  return await evictOlder(log, 'log', began + count * 1000, undelivered);
}

async function evictDown(
  log: Log,
  bytesMax: number,
  whenFull: Record<string, StreamPolicy['whenFull']> = {},
): Promise<Eviction[]> {
  const evictions: Eviction[] = [];
  const policyOf = (kind: string) => whenFull[kind] ?? 'drop-oldest';
  await evictToBounds(log, policyOf, { bytesMax }, 'size', (eviction) => void evictions.push(eviction));
  return evictions;
}

function cursorOf(log: Log, name = 'default') {
  return log.stream('log').cursors.get(name)!;
}

function noticesOf(log: Log): (string | number)[][] {
  return log.stream('log').notices.map(({ from, to, reason }) => [from, to, reason]);
}

function ranges(evictions: readonly Eviction[]): number[][] {
  return evictions.map(({ from, to }) => [from, to]);
}

async function isSound(log: Log): Promise<void> {
  await log.trimmer.idle();
  const { problems } = await verifyLog(log.store);
  assert.equal(problems, []);
  for (const { kind } of log.streams.values()) {
    assert.is(storedBytes(log.stream(kind)), await bytesOnDisk(log.store, kind));
  }
}

it('what goes is counted as dropped, and a notice stands in its place', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 5);
    const before = storedBytes(log.stream('log'));
    const evictions = await evictFirst(log, 2);
    assert.equal(ranges(evictions), [[1, 20]]);
    assert.equal([evictions[0]?.records, evictions[0]?.dropped], [20, 20]);
    assert.is(evictions[0]?.bytes, before - storedBytes(log.stream('log')));
    assert.equal(noticesOf(log), [[1, 20, 'age']]);
    const { seq, dropped, gone } = cursorOf(log);
    assert.equal({ seq, dropped, gone }, { seq: 0, dropped: 20, gone: { age: 20 } });
    assert.equal(await seqsOnDisk(log.store, 'log'), numbers(21, 50));
    await isSound(log);
  });
});

it('what was delivered goes without a notice and is not dropped', async () => {
  await withLog({}, async (log, { clock }) => {
    log.trimmer.keepDelivered('log', 1_000_000);
    await appendTens(log, clock, 5);
    await deliver(log, 'log', 'default', 20);
    const [eviction] = await evictFirst(log, 3);
    assert.equal([eviction?.records, eviction?.dropped], [30, 10]);
    assert.equal(noticesOf(log), [[21, 30, 'age']]);
    assert.is(cursorOf(log).dropped, 10);
    await isSound(log);
  });
});

it('only what every cursor has passed goes where nothing may be dropped', async () => {
  await withLog({ cursors: ['log/fast', 'log/slow'] }, async (log, { clock }) => {
    await appendTens(log, clock, 5);
    await deliver(log, 'log', 'fast');
    await deliver(log, 'log', 'slow', 15);
    assert.equal(ranges(await evictFirst(log, 5, false)), []);
    assert.equal(await seqsOnDisk(log.store, 'log'), numbers(11, 50));
    await isSound(log);
  });
});

it('a batch in flight stays whole, with the entries that it holds a part of', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 5);
    log.claims.send('log', 'default', { from: 15, to: 25 }, log.claims.removals('log'));
    assert.equal(ranges(await evictFirst(log, 4)), [
      [1, 10],
      [31, 40],
    ]);
    assert.equal(await seqsOnDisk(log.store, 'log'), [...numbers(11, 30), ...numbers(41, 50)]);
    await isSound(log);
  });
});

it('a hole behind a batch in flight is closed when the batch is acknowledged', async () => {
  await withLog({}, async (log, { clock, reopen }) => {
    await appendTens(log, clock, 5);
    log.claims.send('log', 'default', { from: 1, to: 10 }, log.claims.removals('log'));
    await evictFirst(log, 4);
    assert.equal(noticesOf(log), [[11, 40, 'age']]);
    assert.is(storedBytes(log.stream('log')), await bytesOnDisk(log.store, 'log'));
    await deliver(log, 'log', 'default', 10);
    log.claims.sent('log', 'default');
    assert.is(log.stream('log').head.seq, 40);
    await isSound(log);
    const again = await reopen();
    await isSound(again);
    assert.is(backlogBytes(again.stream('log'), cursorOf(again)), await bytesOnDisk(again.store, 'log'));
  });
});

it('records in front of a hole can go, too, and bytes are still exact', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 5);
    log.claims.send('log', 'default', { from: 1, to: 10 }, log.claims.removals('log'));
    await evictFirst(log, 3);
    log.claims.sent('log', 'default');
    await evictFirst(log, 3);
    assert.equal(noticesOf(log), [[1, 30, 'age']]);
    await isSound(log);
  });
});

it('notices of one reason that stand side by side are one, but not while one is in flight, nor across a cursor', async () => {
  await withLog({ cursors: ['log/one', 'log/two'] }, async (log, { clock }) => {
    await appendTens(log, clock, 9);
    await evictFirst(log, 1);
    await evictFirst(log, 2);
    assert.equal(noticesOf(log), [[1, 20, 'age']]);
    log.claims.send('log', 'one', { from: 1, to: 20 }, log.claims.removals('log'));
    await evictFirst(log, 3);
    assert.equal(noticesOf(log), [
      [1, 20, 'age'],
      [21, 30, 'age'],
    ]);
    log.claims.sent('log', 'one');
    await deliver(log, 'log', 'one', 2);
    assert.is(cursorOf(log, 'one').seq, 30);
    await evictFirst(log, 4);
    assert.equal(noticesOf(log).at(-1), [31, 40, 'age']);
    await isSound(log);
  });
});

it('evicting to a bound takes the oldest, and no more than an entry too much', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 20);
    const stored = storedBytes(log.stream('log'));
    const bytesMax = Math.floor(stored / 3);
    await evictDown(log, bytesMax);
    const left = storedBytes(log.stream('log'));
    assert.ok(left <= bytesMax && left > bytesMax - stored / 20, `${left} of ${bytesMax}`);
    await isSound(log);
    assert.equal(await evictDown(log, bytesMax), []);
    await evictDown(log, 0);
    assert.is(storedBytes(log.stream('log')), 0);
    await isSound(log);
  });
});

it('the oldest of all drop-oldest streams goes first; undelivered records of a reject stream never go', async () => {
  await withLog({ cursors: ['log/default', 'audit/default', 'metrics/default'] }, async (log, { clock }) => {
    await appendTens(log, clock, 3, 'audit');
    await appendTens(log, clock, 3, 'metrics');
    await appendTens(log, clock, 3, 'log');
    const bytesOf = (kind: string) => storedBytes(log.stream(kind));
    const audit = bytesOf('audit');
    await evictDown(log, audit + bytesOf('log'), { audit: 'reject' });
    assert.is(bytesOf('metrics'), 0);
    assert.ok(bytesOf('log') > 0);
    await evictDown(log, 0, { audit: 'reject' });
    assert.is(bytesOf('log'), 0);
    assert.is(bytesOf('audit'), audit);
    await isSound(log);
  });
});

it('what is delivered goes before anything undelivered, in whatever stream', async () => {
  await withLog({ cursors: ['log/default', 'audit/default'] }, async (log, { clock }) => {
    await appendTens(log, clock, 3, 'log');
    await appendTens(log, clock, 3, 'audit');
    log.trimmer.keepDelivered('audit', 1_000_000);
    await deliver(log, 'audit', 'default');
    const evictions = await evictDown(log, storedBytes(log.stream('log')), { audit: 'reject' });
    assert.equal(
      evictions.map(({ kind, dropped }) => [kind, dropped]),
      evictions.map(() => ['audit', 0]),
    );
    assert.is(storedBytes(log.stream('audit')), 0);
    await isSound(log);
  });
});

it('no more goes than is needed where a batch is in flight behind what is free', async () => {
  await withLog({ cursors: ['log/fast', 'log/slow'] }, async (log, { clock }) => {
    await appendTens(log, clock, 5);
    log.claims.send('log', 'fast', { from: 21, to: 40 }, log.claims.removals('log'));
    await evictDown(log, storedBytes(log.stream('log')) - 1);
    assert.equal(await seqsOnDisk(log.store, 'log'), numbers(11, 50));
    await evictDown(log, storedBytes(log.stream('log')) - 1);
    await evictDown(log, storedBytes(log.stream('log')) - 1);
    assert.equal(await seqsOnDisk(log.store, 'log'), numbers(21, 40));
    await isSound(log);
  });
});

it('a stream goes on giving behind a batch in flight: what went there is not held', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 10);
    const all = storedBytes(log.stream('log'));
    log.claims.send('log', 'default', { from: 1, to: 10 }, log.claims.removals('log'));
    assert.equal(ranges(await evictDown(log, all * 0.4)), [[11, 70]]);
    assert.equal(ranges(await evictDown(log, all * 0.2)), [[71, 90]]);
    assert.equal(await seqsOnDisk(log.store, 'log'), [...numbers(1, 10), ...numbers(91, 100)]);
    await isSound(log);
  });
});

it('a stream that can give nothing, because its one entry is partly in flight, does not spare the others', async () => {
  await withLog({ cursors: ['log/default', 'metrics/default'] }, async (log, { clock }) => {
    await appendTens(log, clock, 1, 'log');
    await appendTens(log, clock, 5, 'metrics');
    log.claims.send('log', 'default', { from: 1, to: 5 }, log.claims.removals('log'));
    const bytesMax = storedBytes(log.stream('log')) + 1000;
    await evictDown(log, bytesMax);
    assert.equal(await seqsOnDisk(log.store, 'log'), numbers(1, 10));
    const left = storedBytes(log.stream('log')) + storedBytes(log.stream('metrics'));
    assert.ok(left <= bytesMax, `${left} of ${bytesMax}`);
    await isSound(log);
  });
});

it('evictions at the same time give up what one of them would, and count it once', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 20);
    const stored = storedBytes(log.stream('log'));
    const bytesMax = Math.floor(stored / 2);
    const all = await Promise.all([evictDown(log, bytesMax), evictDown(log, bytesMax), evictFirst(log, 3)]);
    const evicted = all.flat().reduce((sum, { records }) => sum + records, 0);
    assert.is(cursorOf(log).dropped, evicted);
    const left = storedBytes(log.stream('log'));
    assert.ok(left <= bytesMax && left > bytesMax - stored / 20, `${left} of ${bytesMax}`);
    await isSound(log);
  });
});

it('a trim that was planned before an eviction does not bring the head back', async () => {
  await withLog({}, async (log, { clock }) => {
    log.trimmer.keepDelivered('log', 1_000_000);
    await appendTens(log, clock, 5);
    await deliver(log, 'log', 'default', 20);
    const { offset } = (
      await readAfter(log.store, log.stream('log'), 20, { upTo: 30, recordsMax: 10, lineBytesMax: 1 })
    ).steps.map((step) => (step.is === 'records' ? step.entry : undefined))[0]!;
    await evictFirst(log, 4);
    const { head } = log.stream('log');
    await log.change((draft) =>
      trim(draft, 'log', 20, offset, [keys.entry('log', 10), keys.entry('log', 20)]),
    );
    assert.equal(log.stream('log').head, head);
    await isSound(log);
  });
});

it('damage is lost once, also where two shippers find it at the same time', async () => {
  await withLog({ cursors: ['log/one', 'log/two'] }, async (log, { clock }) => {
    await appendTens(log, clock, 3);
    await damage(log.store, keys.entry('log', 20));
    const stream = log.stream('log');
    const removals = log.claims.removals('log');
    const bounds = { upTo: stream.lastSeq, recordsMax: 100, lineBytesMax: 2 ** 20 };
    const { steps } = await readAfter(log.store, stream, 0, bounds);
    const found = steps.find((step) => step.is === 'damage')!.damage;
    const lost = await Promise.all([lose(log, 'log', found, removals), lose(log, 'log', found, removals)]);
    assert.is(lost.filter((eviction) => eviction !== undefined).length, 1);
    assert.is(await lose(log, 'log', found, removals), undefined);
    for (const name of ['one', 'two']) {
      assert.equal([cursorOf(log, name).lost, cursorOf(log, name).dropped], [10, 0]);
    }
    assert.equal(noticesOf(log), [[11, 20, 'corrupt']]);
    await isSound(log);
  });
});

it('damage that a cursor finds in the midst of an entry is lost whole for those behind it', async () => {
  await withLog({ cursors: ['log/fast', 'log/slow'] }, async (log, { clock }) => {
    await appendTens(log, clock, 3);
    await deliver(log, 'log', 'fast', 15);
    await deliver(log, 'log', 'fast', 5);
    assert.is(cursorOf(log, 'fast').seq, 15);
    await damage(log.store, keys.entry('log', 20));
    const lost = await lose(log, 'log', { from: 16, to: 20, keys: [keys.entry('log', 20)], what: 'test' });
    assert.equal([lost?.from, lost?.to], [11, 20]);
    assert.equal([cursorOf(log, 'fast').lost, cursorOf(log, 'slow').lost], [5, 10]);
    await isSound(log);
  });
});

it('a hole in what is kept for replay is told until what is in front of it goes', async () => {
  await withLog({}, async (log, { clock }) => {
    log.trimmer.keepDelivered('log', 1_000_000);
    await appendTens(log, clock, 3);
    await deliver(log, 'log', 'default', 10);
    await damage(log.store, keys.entry('log', 20));
    await lose(log, 'log', { from: 11, to: 20, keys: [keys.entry('log', 20)], what: 'test' });
    await deliver(log, 'log', 'default');
    assert.equal(noticesOf(log), [[11, 20, 'corrupt']]);
    await isSound(log);
    log.trimmer.keepDelivered('log', 0);
    log.trimmer.wake();
    await log.trimmer.idle();
    assert.equal(noticesOf(log), []);
    assert.is(storedBytes(log.stream('log')), 0);
    await isSound(log);
  });
});

it('a cursor that comes later does not owe what was gone before it', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendTens(log, clock, 4);
    log.claims.send('log', 'default', { from: 1, to: 10 }, log.claims.removals('log'));
    await evictFirst(log, 3);
    await log.addCursors([['log', 'late']]);
    const late = cursorOf(log, 'late');
    assert.equal([late.startSeq, late.dropped], [0, 20]);
    assert.is(backlogOf(late, 40), 20);
    await isSound(log);
  });
});

it.run();
