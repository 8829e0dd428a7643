// What a shipper meets that is gone: evicted around it, or damaged in front of it.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../lib/log/entry.js';
import { keys } from '../../lib/log/keyspace.js';
import { remove } from '../../lib/log/operations.js';
import { openStore } from '../../lib/log/store.js';
import type { Receipt } from '../../lib/ship/sink.js';
import { Shippers } from '../../lib/ship/shippers.js';
import { SinkError } from '../../lib/ship/sink.js';
import { appendEntries, entriesOf, flipped, withLog } from '../helpers/log.js';
import { Archive, TestSink, archiving, deferred } from '../helpers/sink.js';
import { until } from '../helpers/until.js';
import type { AnyWal, OpenWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/gone');

const append = (wal: AnyWal, count: number) =>
  wal.appendMany(
    'log',
    Array.from({ length: count }, (_, n) => ({ n })),
  );

const cursorOf = (wal: AnyWal, name = 'default') => wal.stats().streams['log']!.shippers[name]!;

/** Changes a bit of the entry that ends with a seq, behind the log's back. */
async function damage({ wal, reopen }: OpenWal, lastSeq: number): Promise<AnyWal> {
  await wal.close();
  const store = await openStore(join(wal.dir, 'db'), false);
  const key = keys.entry('log', lastSeq);
  const value = await store.get(key);
  assert.ok(value);
  await store.commit(new Map([[key, flipped(value, 8 * 40)]]));
  await store.close();
  return await reopen();
}

it('a batch on its way is not evicted; what is behind it may be, and is noticed', async () => {
  await withWal({}, async (wal, { events }) => {
    for (let n = 0; n < 6; n++) await append(wal, 10);
    const archive = new Archive();
    const answer = deferred<void>();
    const sink = new TestSink(async (sent, number) => {
      if (number === 1) await answer.promise;
      return archiving(archive)(sent, number);
    });
    const shipper = wal.ship('log', sink, { lingerMs: 0, batchMax: 10 });
    await sink.nth(1);
    const report = await wal.evict({ kind: 'log', maxBytes: 0 });
    assert.equal({ evicted: report.evicted, dropped: report.dropped }, { evicted: 50, dropped: 50 });
    answer.resolve();
    await shipper.idle();
    assert.equal(
      sink.sent.flatMap(({ lines }) =>
        lines.map((line) => ('gap' in line ? [line.gap.from, line.seq] : line.seq)),
      ),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, [11, 60]],
    );
    const { delivered, dropped, backlogRecords } = cursorOf(wal);
    assert.equal({ delivered, dropped, backlogRecords }, { delivered: 10, dropped: 50, backlogRecords: 0 });
    assert.is(events.filter(({ type }) => type === 'dropped').length, 1);
    assert.ok((await wal.verify()).ok);
  });
});

it('what may have arrived is not evicted, although it is sent again in smaller parts', async () => {
  await withWal({}, async (wal, { clock }) => {
    for (let n = 0; n < 4; n++) await append(wal, 5);
    const archive = new Archive();
    const answer = deferred<void>();
    const sink = new TestSink(async (sent, number) => {
      if (number === 2) throw new SinkError('too-large', 'answered 413');
      if (number === 3) await answer.promise;
      const receipt = await archiving(archive)(sent, number);
      if (number === 1) throw new SinkError('outage', 'the answer was lost');
      return receipt;
    });
    const shipper = wal.ship('log', sink, { lingerMs: 0, batchMax: 10 });
    await until(() => shipper.state.at === 'waiting');
    clock.advance(60_000);
    assert.is((await sink.nth(3)).batch.count, 5);
    // All of the first batch is there, whatever the log was told.
    assert.is((await wal.evict({ kind: 'log', maxBytes: 0 })).evicted, 10);
    answer.resolve();
    await shipper.idle();
    assert.equal(archive.faults, []);
    assert.equal(archive.missing(20), []);
    const { delivered, dropped } = cursorOf(wal);
    assert.equal({ delivered, dropped }, { delivered: 10, dropped: 10 });
    assert.ok((await wal.verify()).ok);
  });
});

it('a damaged entry is counted lost, its notice is delivered in its place, and the rest arrives', async () => {
  await withWal({}, async (wal, opened) => {
    const { events } = opened;
    for (let n = 0; n < 3; n++) await append(wal, 10);
    const again = await damage(opened, 20);
    const archive = new Archive();
    await again.ship('log', new TestSink(archiving(archive))).idle();
    assert.equal(archive.missing(30), []);
    assert.equal(archive.faults, []);
    assert.is(archive.records, 20);
    const { delivered, lost, seq } = cursorOf(again);
    assert.equal({ delivered, lost, seq }, { delivered: 20, lost: 10, seq: 30 });
    assert.equal(
      events.filter(({ type }) => type === 'lost'),
      [{ type: 'lost', kind: 'log', from: 11, to: 20, reason: 'corrupt' }],
    );
    assert.ok((await again.verify()).ok);
  });
});

it('damage is lost to every shipper, once, also where one of them stands in the middle of it', async () => {
  await withWal({ streams: { log: { shippers: ['ahead', 'behind'] } } }, async (wal, opened) => {
    for (let n = 0; n < 3; n++) await append(wal, 10);
    const half = new TestSink(({ batch }, number) => {
      if (number > 3) throw new Error('down from here');
      return { accepted: batch.count };
    });
    const shipper = wal.ship('log', half, { name: 'ahead', lingerMs: 0, batchMax: 5 });
    await half.nth(4);
    await shipper.stop();
    assert.is(cursorOf(wal, 'ahead').seq, 15);
    const again = await damage(opened, 20);
    const rest = new TestSink();
    await again.ship('log', rest, { name: 'ahead' }).idle();
    const archive = new Archive();
    await again.ship('log', new TestSink(archiving(archive), { name: 'all' }), { name: 'behind' }).idle();
    assert.equal(archive.missing(30), []);
    assert.equal(archive.faults, []);
    const counts = ({ delivered, lost, backlogRecords }: ReturnType<typeof cursorOf>) => [
      delivered,
      lost,
      backlogRecords,
    ];
    assert.equal(counts(cursorOf(again, 'ahead')), [25, 5, 0]);
    assert.equal(counts(cursorOf(again, 'behind')), [20, 10, 0]);
    assert.ok((await again.verify()).ok);
  });
});

it('damage in what another shipper holds waits until that is settled, and no longer', async () => {
  await withLog({ cursors: ['log/one', 'log/two'] }, async (log, { clock }) => {
    await appendEntries(log, 'log', [10, 10, 10]);
    const shippers = new Shippers(log, clock, () => {});
    const ship = (name: string, sink: TestSink) =>
      shippers.start('log', ['one', 'two'], sink, { name, lingerMs: 0, batchMax: 100 });
    const answer = deferred<Receipt>();
    const holding = new TestSink(() => answer.promise, { name: 'one' });
    const one = ship('one', holding);
    await holding.nth(1);
    const key = keys.entry('log', 20);
    await log.store.commit(new Map([[key, flipped((await log.store.get(key))!, 8 * 40)]]));
    const archive = new Archive();
    const two = ship('two', new TestSink(archiving(archive), { name: 'two' }));
    await until(() => two.state.at === 'waiting');
    answer.resolve({ accepted: 30 });
    await one.idle();
    clock.advance(10_000);
    await two.idle();
    assert.equal(archive.missing(30), []);
    const { cursors } = log.stream('log');
    assert.equal([cursors.get('one')?.delivered, cursors.get('one')?.lost], [30, 0]);
    assert.equal([cursors.get('two')?.delivered, cursors.get('two')?.lost], [20, 10]);
    await shippers.stop();
  });
});

it('what a repair counts as lost while it is being delivered is delivered again as a notice, also where nothing more comes', async () => {
  await withLog({}, async (log, { clock }) => {
    await appendEntries(log, 'log', [10, 10, 10]);
    const [, { offset, size }] = (await entriesOf(log.store, 'log')) as [Entry, Entry];
    const lost = { from: 11, to: 20, keys: [keys.entry('log', 20)], reason: 'corrupt' } as const;
    const removal = { kind: 'log', ...lost, startOffset: offset, endOffset: offset + size, at: 0 };
    const archive = new Archive();
    const sink = new TestSink(async (sent, number) => {
      if (number === 1) await log.change((draft) => remove(draft, removal, []));
      return archiving(archive)(sent, number);
    });
    const shippers = new Shippers(log, clock, () => {});
    const shipper = shippers.start('log', ['default'], sink, { name: 'default', lingerMs: 0, batchMax: 100 });
    await until(() => shipper.state.at === 'waiting');
    clock.advance(10_000);
    await shipper.idle();
    assert.equal(archive.missing(30), []);
    const { delivered, lost: counted, seq } = log.stream('log').cursors.get('default')!;
    assert.equal({ delivered, counted, seq }, { delivered: 20, counted: 10, seq: 30 });
    await shippers.stop();
  });
});

it.run();
