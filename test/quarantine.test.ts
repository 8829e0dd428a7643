// Refused records: looking at them, sending them again, and what the ledger makes of that.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { QuarantinedItem } from '../lib/index.js';
import { TestSink } from './helpers/sink.js';
import { rejectsWith } from './helpers/rejection.js';
import type { AnyWal } from './helpers/wal.js';
import { readAll, withWal } from './helpers/wal.js';

const it = suite('quarantine');

/** Refuses records with an odd `n`, by their ids, and takes the others. */
const choosy = () =>
  new TestSink(({ lines }) => {
    const rejected = lines.flatMap((line) =>
      'record' in line && Number(line.record['n']) % 2 === 1 ? [{ id: line.id, reason: 'odd' }] : [],
    );
    return { accepted: lines.length - rejected.length, rejected };
  });

async function appendAndShip(wal: AnyWal, count: number): Promise<string[]> {
  const records = Array.from({ length: count }, (_, n) => ({ n, text: 'ü'.repeat(n % 9) }));
  const receipts = await wal.appendMany('audit', records);
  const shipper = wal.ship('audit', choosy(), { lingerMs: 0 });
  await shipper.idle();
  await shipper.stop();
  return receipts.map(({ id }) => id);
}

async function itemsOf(wal: AnyWal, kind?: string): Promise<QuarantinedItem<object>[]> {
  const items = [];
  for await (const item of wal.quarantined(kind)) items.push(item);
  return items;
}

const cursorOf = (wal: AnyWal) => wal.stats().streams['audit']!.shippers['default']!;

it('lists what was refused, by seq, with the record as it was appended', async () => {
  await withWal({}, async (wal) => {
    const ids = await appendAndShip(wal, 7);
    const expected = [1, 3, 5].map((n) => ({
      id: ids[n],
      seq: n + 1,
      kind: 'audit',
      shipper: 'default',
      record: { n, text: 'ü'.repeat(n) },
      reason: 'odd',
    }));
    for (const kind of ['audit', undefined]) {
      const items = await itemsOf(wal, kind);
      assert.equal(
        items.map((item) => ({ ...item, at: 0 })),
        expected.map((item) => ({ ...item, at: 0 })),
      );
    }
    assert.equal(await itemsOf(wal, 'log'), []);
    assert.throws(() => wal.quarantined('nothing'), /WAL_UNKNOWN_KIND|no stream/);
  });
});

it('sends again as new records that name the old ids, and the ledger still adds up after reopening', async () => {
  await withWal({}, async (wal, opened) => {
    const ids = await appendAndShip(wal, 10);
    assert.equal(await wal.resend('audit', { seqs: [2, 6, 7, 999] }), { records: 2 });
    assert.equal(
      (await itemsOf(wal)).map(({ seq }) => seq),
      [4, 8, 10],
    );
    assert.equal(
      (await readAll(wal, 'audit', { from: 11 })).map(
        (item) => 'record' in item && [item.seq, item.record, item.resendOf],
      ),
      [
        [11, { n: 1, text: 'ü' }, ids[1]],
        [12, { n: 5, text: 'üüüüü' }, ids[5]],
      ],
    );
    const check = async (open: AnyWal) => {
      assert.equal((await open.verify()).problems, []);
      const { delivered, quarantined, backlogRecords } = cursorOf(open);
      assert.equal([delivered, quarantined, backlogRecords], [5, 5, 2]);
    };
    await check(wal);
    const again = await opened.reopen();
    await check(again);
    assert.equal(await again.resend('audit'), { records: 3 });
    const sink = new TestSink();
    await again.ship('audit', sink, { lingerMs: 0 }).idle();
    const { delivered, quarantined } = cursorOf(again);
    assert.equal([delivered, quarantined], [10, 5]);
    assert.equal(await itemsOf(again), []);
    const sent = sink.sent.flatMap(({ lines }) => lines.map((line) => 'record' in line && line.resendOf));
    assert.equal(
      sent,
      [1, 5, 3, 7, 9].map((n) => ids[n]),
    );
    assert.equal((await again.verify()).problems, []);
  });
});

it('two that send again at once send nothing twice', async () => {
  await withWal({}, async (wal) => {
    await appendAndShip(wal, 1200);
    const sums = await Promise.all([wal.resend('audit'), wal.resend('audit')]);
    assert.equal(
      sums.map(({ records }) => records),
      [600, 0],
    );
    assert.is(wal.stats().streams['audit']!.lastSeq, 1800);
    assert.equal((await wal.verify()).problems, []);
  });
});

it('a database that is repaired keeps what was put aside, and counts what was sent again', async () => {
  await withWal({}, async (wal, opened) => {
    await appendAndShip(wal, 10);
    await wal.resend('audit', { seqs: [2, 6] });
    const before = cursorOf(wal);
    await wal.close();
    await rm(join(wal.dir, 'db', 'CURRENT'));
    const again = await opened.reopen();
    assert.ok(opened.events.some(({ type }) => type === 'recovered'));
    assert.equal(cursorOf(again), before);
    assert.equal((await again.verify()).problems, []);
    assert.equal(
      (await itemsOf(again)).map(({ seq }) => seq),
      [4, 8, 10],
    );
  });
});

it('what can’t be sent again stays where it is', async () => {
  await withWal({}, async (wal) => {
    await appendAndShip(wal, 4);
    await rejectsWith(wal.resend('nothing'), 'WAL_UNKNOWN_KIND');
    await rejectsWith(wal.resend('audit', { seqs: [0] }), 'WAL_CONFIG', 'seqs');
    assert.equal(await wal.resend('audit', { shipper: 'another' }), { records: 0 });
    assert.is((await itemsOf(wal)).length, 2);
  });
});

it.run();
