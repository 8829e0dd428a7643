// When a batch goes, on a clock that a test moves.

import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Sink } from '../../lib/ship/sink.js';
import { TestSink, deferred } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/loader');

const append = (wal: AnyWal, count = 1) =>
  wal.appendMany(
    'log',
    Array.from({ length: count }, (_, n) => ({ n })),
  );

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of all buffers that somebody holds. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

it('a trickle does not become one request per record', async () => {
  await withWal({}, async (wal, { clock }) => {
    const sink = new TestSink();
    const shipper = wal.ship('log', sink, { lingerMs: 100 });
    for (let n = 0; n < 40; n++) {
      await append(wal);
      await turns();
      clock.advance(20);
      await turns();
    }
    await shipper.idle();
    assert.equal(
      sink.seqs.flat(),
      Array.from({ length: 40 }, (_, n) => n + 1),
    );
    assert.ok(sink.sent.length <= 9, `${sink.sent.length} requests`);
  });
});

it('the oldest waiting record waits lingerMs and no longer, whatever comes behind it', async () => {
  await withWal({}, async (wal, { clock }) => {
    const sink = new TestSink();
    wal.ship('log', sink, { lingerMs: 100 });
    await append(wal);
    await turns();
    clock.advance(99);
    await append(wal);
    await turns();
    assert.is(sink.sent.length, 0);
    clock.advance(1);
    await sink.nth(1);
    assert.equal(sink.seqs, [[1, 2]]);
  });
});

it('a full batch goes at once', async () => {
  await withWal({}, async (wal) => {
    const sink = new TestSink();
    wal.ship('log', sink, { lingerMs: 60_000, batchMax: 5 });
    await append(wal, 4);
    await turns();
    assert.is(sink.sent.length, 0);
    await append(wal);
    await sink.nth(1);
    assert.equal(sink.seqs, [[1, 2, 3, 4, 5]]);
  });
});

it('with lingerMs 0 nothing waits for company', async () => {
  await withWal({}, async (wal) => {
    const sink = new TestSink();
    wal.ship('log', sink, { lingerMs: 0 });
    await append(wal);
    await sink.nth(1);
    await append(wal);
    await sink.nth(2);
    assert.equal(sink.seqs, [[1], [2]]);
  });
});

it('what comes while a batch is on its way lingers, too', async () => {
  await withWal({}, async (wal, { clock }) => {
    const answer = deferred<{ accepted: number }>();
    const sink = new TestSink(({ batch }, number) =>
      number === 1 ? answer.promise : { accepted: batch.count },
    );
    wal.ship('log', sink, { lingerMs: 100 });
    await append(wal);
    await until(() => clock.pending > 0);
    clock.advance(100);
    await sink.nth(1);
    await append(wal, 3);
    answer.resolve({ accepted: 1 });
    await turns();
    assert.is(sink.sent.length, 1);
    clock.advance(100);
    await sink.nth(2);
    assert.equal(sink.seqs, [[1], [2, 3, 4]]);
  });
});

it('what a stopped service left behind goes after lingerMs at most', async () => {
  await withWal({}, async (wal, { clock, reopen }) => {
    await append(wal, 3);
    const again = await reopen();
    const sink = new TestSink();
    again.ship('log', sink, { lingerMs: 100 });
    await turns();
    clock.advance(100);
    await sink.nth(1);
    assert.equal(sink.seqs, [[1, 2, 3]]);
  });
});

it('idle does not linger, and takes along what an append still holds back', async () => {
  await withWal({ streams: { log: { commitDelayMs: 60_000 } } }, async (wal) => {
    const sink = new TestSink();
    const shipper = wal.ship('log', sink, { lingerMs: 60_000 });
    const appended = append(wal, 3);
    await shipper.idle();
    await appended;
    assert.equal(sink.seqs, [[1, 2, 3]]);
    // Afterwards, lingering is back.
    const more = append(wal);
    await turns();
    assert.is(sink.sent.length, 1);
    await shipper.idle();
    await more;
    assert.is(sink.sent.length, 2);
  });
});

it('a shipper that has stopped holds nothing of what it has read ahead', async () => {
  const kinds = Array.from({ length: 8 }, (_, n) => `kind-${n}`);
  const streams = Object.fromEntries(kinds.map((kind) => [kind, { whenFull: 'reject' as const }]));
  await withWal({ streams }, async (wal) => {
    const records = Array.from({ length: 3 }, () => ({ text: randomBytes(600_000).toString('base64') }));
    for (const kind of kinds) await wal.appendMany(kind, records);
    const before = heldBytes();
    const sink: Sink = { name: 'down', send: () => Promise.reject(new Error('down')) };
    const shippers = kinds.map((kind) => wal.ship(kind, sink, { lingerMs: 0 }));
    await until(() => shippers.every(({ state }) => state.at === 'waiting' || state.at === 'open'));
    await Promise.all(shippers.map((shipper) => shipper.stop()));
    await until(() => heldBytes() < before + 3_000_000);
    assert.ok(shippers.every(({ state }) => state.at === 'stopped'));
  });
});

it.run();
