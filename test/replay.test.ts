// A cursor moved back over what is kept: what is delivered again, what the ledger makes of it, and what survives a
// crash in between.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Receipt } from '../lib/index.js';
import { rejectsWith } from './helpers/rejection.js';
import { Archive, TestSink, accepting, archiving, deferred, hanging } from './helpers/sink.js';
import { until } from './helpers/until.js';
import type { AnyWal } from './helpers/wal.js';
import { withWal } from './helpers/wal.js';

const it = suite('replay');

const KEPT = { streams: { audit: { keepDeliveredBytes: 1_048_576 } } };

/** Appends one commit a record, so that each is an entry. */
async function append(wal: AnyWal, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await wal.append('audit', { n });
}

async function ship(wal: AnyWal, sink: TestSink, name = 'default'): Promise<void> {
  const shipper = wal.ship('audit', sink, { name, lingerMs: 0 });
  await shipper.idle();
  await shipper.stop();
}

/** The ledger of a cursor as `[seq, delivered, dropped, quarantined, lost, backlog]`; it adds up. */
function ledger(wal: AnyWal, name = 'default'): number[] {
  const { lastSeq, shippers } = wal.stats().streams['audit']!;
  const { seq, startSeq, delivered, dropped, quarantined, lost, backlogRecords } = shippers[name]!;
  assert.is(lastSeq - startSeq, delivered + dropped + quarantined + lost + backlogRecords);
  return [seq, delivered, dropped, quarantined, lost, backlogRecords];
}

it('what was delivered is backlog again, and goes out under the same ids', async () => {
  await withWal(KEPT, async (wal) => {
    await append(wal, 10);
    const archive = new Archive();
    await ship(wal, new TestSink(archiving(archive)));
    assert.equal(ledger(wal), [10, 10, 0, 0, 0, 0]);
    assert.equal(await wal.replay('audit', { from: 4 }), { records: 7 });
    assert.equal(ledger(wal), [3, 3, 0, 0, 0, 7]);
    assert.ok((await wal.verify()).ok);
    const sink = new TestSink(archiving(archive));
    await ship(wal, sink);
    assert.equal(sink.seqs.flat(), [4, 5, 6, 7, 8, 9, 10]);
    assert.equal([archive.duplicates, archive.faults], [7, []]);
    assert.equal(ledger(wal), [10, 10, 0, 0, 0, 0]);
    // A counter of Prometheus goes on where the ledger went back.
    const [shipped] = wal
      .metrics()
      .wal_shipped_records_total.samples.filter(({ labels }) => labels['kind'] === 'audit');
    assert.is((shipped as { value: number }).value, 17);
    assert.ok((await wal.verify()).ok);
  });
});

it('a cursor that does not stand behind the seq stays where it is', async () => {
  await withWal(KEPT, async (wal) => {
    await append(wal, 3);
    assert.equal(await wal.replay('audit', { from: 1 }), { records: 0 });
    assert.equal(await wal.replay('audit', { from: 100 }), { records: 0 });
    assert.equal(ledger(wal), [0, 0, 0, 0, 0, 3]);
  });
});

it('what is not kept can’t be had again: the error names the first seq on disk', async () => {
  await withWal(KEPT, async (wal) => {
    await append(wal, 10);
    await ship(wal, new TestSink());
    await wal.evict({ kind: 'audit', maxBytes: Math.floor(wal.stats().streams['audit']!.storedBytes / 2) });
    const { firstSeq } = wal.stats().streams['audit']!;
    assert.ok(firstSeq > 1 && firstSeq <= 10);
    await rejectsWith(wal.replay('audit', { from: 1 }), 'WAL_CONFIG', `the first seq on disk is ${firstSeq}`);
    await wal.evict({ kind: 'audit', maxBytes: 0 });
    await rejectsWith(wal.replay('audit', { from: 10 }), 'WAL_CONFIG', 'nothing of it is');
    await rejectsWith(wal.replay('audit', { from: 0 }), 'WAL_CONFIG', 'expected from');
    await rejectsWith(wal.replay('audit', { from: 1, shipper: 'siem' }), 'WAL_CONFIG', "no cursor 'siem'");
    await rejectsWith(wal.replay('billing', { from: 1 }), 'WAL_UNKNOWN_KIND');
    assert.equal(ledger(wal), [10, 10, 0, 0, 0, 0]);
  });
});

it('a replay survives a crash, also where the mark knows only of the time before', async () => {
  await withWal(KEPT, async (first, opened) => {
    await append(first, 10);
    await ship(first, new TestSink());
    await opened.reopen();
    const mark = await readFile(join(opened.wal.dir, 'mark'));
    await opened.wal.replay('audit', { from: 1 });
    const { dir } = opened.wal;
    await opened.wal.close();
    // Rewritten after every commit, but not in it: a crash may leave the one before.
    await writeFile(join(dir, 'mark'), mark);
    const wal = await opened.reopen();
    assert.equal(ledger(wal), [0, 0, 0, 0, 0, 10]);
    assert.equal(
      opened.events.filter(({ type }) => type === 'recovered'),
      [],
    );
    assert.ok((await wal.verify()).ok);
  });
});

it('a batch on its way does not carry the cursor over what is to be delivered again', async () => {
  await withWal(KEPT, async (wal) => {
    await wal.appendMany('audit', [{}, {}, {}, {}, {}]);
    const answer = deferred<Receipt>();
    const sink = new TestSink(({ batch }, number) =>
      number === 2 ? answer.promise : { accepted: batch.count },
    );
    const shipper = wal.ship('audit', sink, { lingerMs: 0, batchMax: 5 });
    await shipper.idle();
    await wal.appendMany('audit', [{}, {}, {}, {}, {}]);
    await sink.nth(2);
    assert.equal(await wal.replay('audit', { from: 2 }), { records: 4 });
    answer.resolve({ accepted: 5 });
    await shipper.idle();
    assert.equal(ledger(wal), [10, 10, 0, 0, 0, 0]);
    assert.equal(new Set(sink.seqs.slice(2).flat()), new Set([2, 3, 4, 5, 6, 7, 8, 9, 10]));
    await shipper.stop();
    assert.ok((await wal.verify()).ok);
  });
});

it('a shipper that has nothing to do begins again by itself', async () => {
  await withWal(KEPT, async (wal) => {
    await append(wal, 3);
    const sink = new TestSink();
    const shipper = wal.ship('audit', sink, { lingerMs: 0 });
    await shipper.idle();
    const sent = sink.sent.length;
    await wal.replay('audit', { from: 2 });
    await sink.nth(sent + 1);
    await shipper.idle();
    assert.equal(sink.seqs.slice(sent).flat(), [2, 3]);
    assert.equal(ledger(wal), [3, 3, 0, 0, 0, 0]);
    await shipper.stop();
  });
});

it('replays while it ships, again and again, lose nothing and never break the ledger', async () => {
  await withWal(KEPT, async (wal) => {
    const archive = new Archive();
    const shipper = wal.ship('audit', new TestSink(archiving(archive)), { lingerMs: 0, batchMax: 3 });
    for (let round = 1; round <= 20; round++) {
      await append(wal, 5);
      await wal.replay('audit', { from: 1 + ((round * 7) % (round * 5)) });
      ledger(wal);
    }
    await shipper.idle();
    assert.equal(ledger(wal), [100, 100, 0, 0, 0, 0]);
    assert.equal([archive.missing(100), archive.records], [[], 100]);
    await shipper.stop();
    assert.ok((await wal.verify()).ok);
  });
});

const refusing = (...refused: number[]) =>
  new TestSink(({ lines }) => {
    const rejected = lines
      .filter((line) => 'record' in line && refused.includes(line.seq))
      .map(({ id }) => ({ id, reason: 'no' }));
    return { accepted: lines.length - rejected.length, rejected };
  });

it('what was refused on the way is taken out of the quarantine; what was sent again stays counted there', async () => {
  await withWal(KEPT, async (wal) => {
    await append(wal, 6);
    await ship(wal, refusing(2, 4));
    assert.equal(ledger(wal), [6, 4, 0, 2, 0, 0]);
    await wal.resend('audit', { seqs: [2] });
    await ship(wal, new TestSink());
    assert.equal(ledger(wal), [7, 5, 0, 2, 0, 0]);
    assert.equal(await wal.replay('audit', { from: 1 }), { records: 7 });
    // 4 is not in the quarantine any more. That 2 was refused once, and sent again, is not known of it by its seq.
    assert.equal(ledger(wal), [0, 0, 0, 0, 0, 7]);
    const aside = [];
    for await (const { seq } of wal.quarantined('audit')) aside.push(seq);
    assert.equal(aside, []);
    await ship(wal, refusing(4));
    assert.equal(ledger(wal), [7, 6, 0, 1, 0, 0]);
    const report = await wal.verify();
    assert.equal(report.problems, []);
  });
});

it('over a hole: nothing comes back, and the receiver is told once more', async () => {
  const options = { streams: { log: { shippers: ['fast', 'slow'] } } };
  await withWal(options, async (wal) => {
    for (let n = 0; n < 10; n++) await wal.append('log', { n });
    const fast = wal.ship('log', new TestSink(), { name: 'fast', lingerMs: 0 });
    await fast.idle();
    // The slow one holds the first two, so that what is evicted goes from behind them.
    const held = new TestSink(hanging, { name: 'slow' });
    const slow = wal.ship('log', held, { name: 'slow', lingerMs: 0, batchMax: 2 });
    await held.nth(1);
    await wal.evict({ kind: 'log', maxBytes: 0 });
    await wal.append('log', { n: 10 });
    await fast.idle();
    assert.is(wal.stats().streams['log']!.firstSeq, 1);
    const before = wal.stats().streams['log']!.shippers['fast']!;
    assert.equal([before.delivered, before.dropped], [11, 0]);
    await fast.stop();
    // Asked for from the midst of the hole, it begins in front of it.
    assert.equal(await wal.replay('log', { from: 6, shipper: 'fast' }), { records: 1 });
    const after = wal.stats().streams['log']!.shippers['fast']!;
    // What the receiver is told is gone counts as that, though it has it.
    assert.equal([after.seq, after.delivered, after.dropped, after.backlogRecords], [2, 2, 8, 1]);
    const sink = new TestSink(accepting, { name: 'fast' });
    const again = wal.ship('log', sink, { name: 'fast', lingerMs: 0 });
    await again.idle();
    const [told] = sink.sent[0]!.lines;
    assert.equal('gap' in told! && [told.gap.from, told.gap.to], [3, 10]);
    assert.equal((await wal.verify()).problems, []);
    await Promise.all([again.stop(), slow.stop()]);
  });
});

it('what is kept goes once it is delivered again and more comes', async () => {
  await withWal({ streams: { audit: { keepDeliveredBytes: 2000 } } }, async (wal) => {
    await append(wal, 10);
    await ship(wal, new TestSink());
    await wal.replay('audit', { from: 1 });
    await append(wal, 100);
    assert.is(wal.stats().streams['audit']!.firstSeq, 1);
    await ship(wal, new TestSink());
    await until(() => wal.stats().streams['audit']!.firstSeq > 50);
    assert.equal((await wal.verify()).problems, []);
  });
});

it.run();
