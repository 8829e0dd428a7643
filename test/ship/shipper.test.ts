// What a shipper settles: cursors, the ledger, what is deleted and when, and what it tells.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Receipt } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import type { Reply } from '../helpers/sink.js';
import { Archive, TestSink, accepting } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal, OpenWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/shipper');

const append = (wal: AnyWal, count: number, kind = 'log') =>
  wal.appendMany(
    kind,
    Array.from({ length: count }, (_, n) => ({ n })),
  );

const cursorOf = (wal: AnyWal, name = 'default', kind = 'log') => wal.stats().streams[kind]!.shippers[name]!;

/** Lets announced waits pass until `holds`. */
async function passWaits({ wal, clock }: OpenWal, holds: () => boolean, name = 'default'): Promise<void> {
  while (!holds()) {
    await until(() => holds() || cursorOf(wal, name).nextAttemptAt !== undefined);
    const { nextAttemptAt } = cursorOf(wal, name);
    if (nextAttemptAt !== undefined && !holds()) clock.advance(nextAttemptAt - clock.now());
    await turns(1);
  }
}

it('what every cursor has passed is deleted in the commit that moves the last one', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 5);
    await append(wal, 5);
    const shipper = wal.ship('log', new TestSink());
    await shipper.idle();
    // Synchronously: nothing of this is left to the work in the background.
    const { storedBytes, firstSeq, lastSeq } = wal.stats().streams['log']!;
    assert.equal({ storedBytes, firstSeq, lastSeq }, { storedBytes: 0, firstSeq: 11, lastSeq: 10 });
    const { seq, delivered, backlogRecords, backlogBytes, lastShipAt } = cursorOf(wal);
    assert.equal(
      { seq, delivered, backlogRecords, backlogBytes },
      { seq: 10, delivered: 10, backlogRecords: 0, backlogBytes: 0 },
    );
    assert.ok(lastShipAt);
    assert.ok((await wal.verify()).ok);
  });
});

it('with two shippers, data goes when the last one has passed it', async () => {
  await withWal({ streams: { log: { shippers: ['fast', 'slow'] } } }, async (wal) => {
    await append(wal, 10);
    const fast = wal.ship('log', new TestSink(accepting, { name: 'fast' }), { name: 'fast' });
    await fast.idle();
    assert.is(wal.stats().streams['log']!.firstSeq, 1);
    assert.is(cursorOf(wal, 'slow').backlogRecords, 10);
    const sink = new TestSink(accepting, { name: 'slow' });
    const slow = wal.ship('log', sink, { name: 'slow' });
    await slow.idle();
    assert.is(sink.seqs.flat().length, 10);
    await until(() => wal.stats().streams['log']!.firstSeq === 11);
    assert.ok((await wal.verify()).ok);
  });
});

it('a forgotten cursor holds nothing back, and nothing ships from it any more', async () => {
  await withWal({ streams: { log: { shippers: ['fast', 'gone'] } } }, async (wal) => {
    await append(wal, 10);
    const fast = wal.ship('log', new TestSink(), { name: 'fast' });
    await fast.idle();
    const forgetting = wal.forget('log', 'gone');
    // Started before the cursor is gone for good: it has to find out by itself.
    const sink = new TestSink(accepting, { name: 'gone' });
    const late = wal.ship('log', sink, { name: 'gone', lingerMs: 60_000 });
    assert.equal(await forgetting, { records: 10 });
    const error = await late.idle().catch((reason: unknown) => reason);
    assert.is((error as { code?: string }).code, 'WAL_CLOSED');
    assert.match((error as Error).message, 'given up');
    await late.stop();
    assert.throws(() => wal.ship('log', sink, { name: 'gone' }), /given up/);
    await until(() => wal.stats().streams['log']!.firstSeq === 11);
    assert.ok((await wal.verify()).ok);
  });
});

it('a cursor that is declared later begins with the oldest record that is there', async () => {
  await withWal({}, async (wal, { reopen }) => {
    await append(wal, 4);
    await wal.ship('log', new TestSink()).idle();
    await append(wal, 3);
    const again = await reopen({ streams: { log: { shippers: ['default', 'new'] } } });
    const sink = new TestSink();
    await again.ship('log', sink, { name: 'new' }).idle();
    assert.equal(sink.seqs.flat(), [5, 6, 7]);
    assert.is(cursorOf(again, 'new').startSeq, 4);
    assert.ok((await again.verify()).ok);
  });
});

it('a receipt that does not add up deletes nothing and moves nothing', async () => {
  const receipts: Receipt[] = [
    { accepted: 9 },
    { accepted: 11 },
    { accepted: 9, rejected: [{ id: 'of another log', reason: 'no' }] },
    { accepted: 8, duplicates: 3 },
    {} as Receipt,
    undefined as unknown as Receipt,
  ];
  await withWal({}, async (wal, opened) => {
    await append(wal, 10);
    const sink = new TestSink((_, number) => receipts[(number - 1) % receipts.length]!);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    await passWaits(opened, () => sink.sent.length > 2 * receipts.length);
    await shipper.stop();
    const { seq, delivered, quarantined, backlogRecords } = cursorOf(wal);
    assert.equal(
      { seq, delivered, quarantined, backlogRecords },
      { seq: 0, delivered: 0, quarantined: 0, backlogRecords: 10 },
    );
    assert.is(wal.stats().streams['log']!.firstSeq, 1);
    assert.is(new Set(sink.sent.map(({ batch }) => batch.id)).size, 1);
  });
});

it('a refused record is put aside, with a notice in its place, and the ledger counts it', async () => {
  await withWal({}, async (wal, { events }) => {
    const receipts = await append(wal, 10);
    const { id } = receipts[3]!;
    const sink = new TestSink(({ lines, batch }) => {
      const bad = lines.some((line) => line.id === id);
      return bad
        ? { accepted: batch.count - 1, rejected: [{ id, reason: 'not like this' }] }
        : { accepted: batch.count };
    });
    await wal.ship('log', sink).idle();
    assert.equal(sink.seqs, [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [4]]);
    const [notice] = sink.sent[1]!.lines;
    assert.ok(notice && 'gap' in notice);
    assert.is(notice.gap.reason, 'quarantined');
    const { delivered, quarantined, seq } = cursorOf(wal);
    assert.equal({ delivered, quarantined, seq }, { delivered: 9, quarantined: 1, seq: 10 });
    assert.equal(events, [
      { type: 'quarantined', kind: 'log', shipper: 'default', seq: 4, reason: 'not like this' },
    ]);
    assert.ok((await wal.verify()).ok);
  });
});

it('nothing is acknowledged before the notices for refused records have arrived', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 3);
    const sink = new TestSink(({ lines, batch }, number) => {
      const [first] = lines;
      if (first && 'gap' in first && number < 4) throw new Error('down just now');
      if (first && 'gap' in first) return { accepted: batch.count };
      return { accepted: 2, rejected: [{ id: first!.id, reason: 'no' }] };
    });
    wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(2);
    await turns();
    assert.is(cursorOf(wal).seq, 0);
    await passWaits(opened, () => cursorOf(wal).seq === 3);
    assert.is(cursorOf(wal).quarantined, 1);
  });
});

it('a destination that rejects everything gets nothing put aside: the backlog waits', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 5);
    const sink = new TestSink(({ lines }) => ({
      accepted: 0,
      rejected: lines.map(({ id }) => ({ id, reason: 'no' })),
    }));
    wal.ship('log', sink, { lingerMs: 0 });
    await passWaits(opened, () => sink.sent.length > 20);
    const { seq, quarantined, backlogRecords } = cursorOf(wal);
    assert.equal({ seq, quarantined, backlogRecords }, { seq: 0, quarantined: 0, backlogRecords: 5 });
    assert.is(opened.events.filter(({ type }) => type === 'ship-failing').length, 1);
    sink.reply = accepting;
    await passWaits(opened, () => cursorOf(wal).seq === 5);
  });
});

it('an outage is one event, its end another with the count of tries, and so for the next one', async () => {
  await withWal({}, async (wal, opened) => {
    const down: Reply = () => {
      throw new SinkError('outage', 'nobody there');
    };
    const sink = new TestSink();
    wal.ship('log', sink, { lingerMs: 0 });
    for (let outage = 1; outage <= 2; outage++) {
      const tried = sink.sent.length;
      sink.reply = down;
      await append(wal, 1);
      await passWaits(opened, () => sink.sent.length - tried >= 7);
      sink.reply = accepting;
      await passWaits(opened, () => cursorOf(wal).seq === outage);
      await until(() => opened.events.length === 2 * outage);
    }
    const where = { kind: 'log', shipper: 'default', sink: 'test' };
    const failing = { type: 'ship-failing', ...where, message: 'nobody there' };
    const recovered = { type: 'ship-recovered', ...where };
    const [, first, , second] = opened.events;
    assert.ok(first?.type === 'ship-recovered' && first.failedAttempts >= 7);
    assert.ok(second?.type === 'ship-recovered' && second.failedAttempts >= 7);
    assert.equal(opened.events, [
      failing,
      { ...recovered, failedAttempts: first.failedAttempts },
      failing,
      { ...recovered, failedAttempts: second.failedAttempts },
    ]);
  });
});

it('a sink that is down for an hour is tried about once a minute, and says so once', async () => {
  await withWal({}, async (wal, opened) => {
    const { clock, events } = opened;
    await append(wal, 1);
    const sink = new TestSink(() => {
      throw new SinkError('outage', 'nobody there');
    });
    wal.ship('log', sink, { lingerMs: 0 });
    const ends = clock.now() + 3_600_000;
    await passWaits(opened, () => clock.now() >= ends);
    assert.ok(sink.sent.length >= 30 && sink.sent.length <= 75, `${sink.sent.length} attempts`);
    assert.is(events.length, 1);
    const { state, lastError, nextAttemptAt } = cursorOf(wal);
    assert.is(state, 'open');
    assert.is(lastError, 'nobody there');
    // Back within one interval of the breaker.
    const back = clock.now();
    assert.ok(nextAttemptAt! - back <= 60_000);
    sink.reply = accepting;
    await passWaits(opened, () => cursorOf(wal).seq === 1);
    assert.ok(clock.now() <= back + 60_000);
  });
});

it('streams that ship to one destination share its breaker, others do not', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 1);
    await append(wal, 1, 'audit');
    const down: Reply = () => {
      throw new SinkError('outage', 'nobody there');
    };
    const sink = new TestSink(down, { name: 'one' });
    wal.ship('log', sink, { lingerMs: 0 });
    await passWaits(opened, () => cursorOf(wal).state === 'open');
    const same = new TestSink(accepting, { name: 'one' });
    const shipper = wal.ship('audit', same, { lingerMs: 0 });
    await until(() => cursorOf(wal, 'default', 'audit').state === 'open');
    assert.is(same.sent.length, 0);
    await shipper.stop();
    await wal.ship('audit', new TestSink(accepting, { name: 'another' })).idle();
  });
});

it('413 halves the batches until they fit, and later they grow again', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 400);
    const archive = new Archive();
    let linesMax = 30;
    const sink = new TestSink(({ lines }) => {
      if (lines.length > linesMax) throw new SinkError('too-large', 'answered 413', { status: 413 });
      return archive.store(lines);
    });
    const shipper = wal.ship('log', sink, { batchMax: 200 });
    await shipper.idle();
    assert.equal(archive.missing(400), []);
    assert.equal(archive.faults, []);
    assert.is(archive.duplicates, 0);
    linesMax = 1_000;
    for (let n = 0; n < 4; n++) {
      await append(wal, 200);
      await shipper.idle();
    }
    assert.is(sink.sent.at(-1)!.lines.length, 200);
    assert.ok((await wal.verify()).ok);
  });
});

it('notices that are too large together come in smaller parts', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 64);
    const archive = new Archive();
    const sink = new TestSink(({ lines, text }) => {
      if ('gap' in lines[0]! && text.length > 700) throw new SinkError('too-large', 'answered 413');
      if ('gap' in lines[0]!) return archive.store(lines);
      const good = lines.filter(({ seq }) => seq % 2 === 0);
      const { accepted, duplicates } = archive.store(good);
      const rejected = lines.filter(({ seq }) => seq % 2 !== 0).map(({ id }) => ({ id, reason: 'no' }));
      return { accepted, duplicates: duplicates ?? 0, rejected };
    });
    await wal.ship('log', sink, { lingerMs: 0 }).idle();
    assert.equal(archive.missing(64), []);
    const { delivered, quarantined } = cursorOf(wal);
    assert.equal({ delivered, quarantined }, { delivered: 32, quarantined: 32 });
    assert.ok(sink.sent.length < 60, `${sink.sent.length} requests`);
  });
});

it.run();
