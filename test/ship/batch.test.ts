// What a sink is given: which lines, in which bytes, under which key, within which bounds.

import { promisify } from 'node:util';
import { crc32, gunzip } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AppendReceipt } from '../../lib/index.js';
import type { ShipOptions } from '../../lib/ship/shipper-context.js';
import type { Sink } from '../../lib/ship/sink.js';
import { TestSink } from '../helpers/sink.js';
import type { AnyWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/batch');
const inflated = promisify<Buffer, Buffer>(gunzip);

async function shipAll(wal: AnyWal, sink: Sink, options: ShipOptions = {}): Promise<void> {
  const shipper = wal.ship('log', sink, options);
  await shipper.idle();
  await shipper.stop();
}

/** Of `bytes` bytes of JSON at least; every one compresses differently. */
function record(n: number, bytes = 0): object {
  const text = `é 🜁 \n "${n}" \u2028`;
  return { n, text, filler: String(n * 7919).repeat(Math.ceil(bytes / String(n * 7919).length)) };
}

function lineOf({ id, seq }: AppendReceipt, appended: object): string {
  return `{"id":"${id}","seq":${seq},"kind":"log","record":${JSON.stringify(appended)}}\n`;
}

/** Appends alone and together, small enough to be stored plain and large enough to be deflated. */
async function appendMix(wal: AnyWal): Promise<string[]> {
  const lines: string[] = [];
  for (const [count, bytes] of [
    [1, 0],
    [3, 10],
    [700, 300],
    [1, 70_000],
    [2, 0],
    [40, 3_000],
    [1, 0],
  ] as const) {
    const records = Array.from({ length: count }, (_, n) => record(lines.length + n, bytes));
    const receipts = await wal.appendMany('log', records);
    lines.push(...receipts.map((receipt, n) => lineOf(receipt, records[n]!)));
  }
  return lines;
}

it('bodies are the appended lines, byte for byte, in order and under the ids that append gave', async () => {
  await withWal({}, async (wal) => {
    const lines = await appendMix(wal);
    const sink = new TestSink();
    await shipAll(wal, sink);
    assert.is(sink.sent.map(({ text }) => text).join(''), lines.join(''));
    for (const { batch, text, lines: parsed } of sink.sent) {
      assert.is(batch.lineBytes, Buffer.byteLength(text));
      assert.is(batch.count, parsed.length);
      assert.is(batch.firstSeq, parsed[0]?.seq);
      assert.is(batch.lastSeq, parsed.at(-1)?.seq);
    }
  });
});

it('a gzipped body is made once, whoever asks first', async () => {
  await withWal({}, async (wal) => {
    await appendMix(wal);
    const bodies: [first: Buffer, again: Buffer][] = [];
    const sink = new TestSink(async ({ batch }) => {
      bodies.push([await batch.gzip(), await batch.gzip()]);
      return { accepted: batch.count };
    });
    await shipAll(wal, Object.assign(sink, { body: 'gzip' as const }), { batchMax: 333 });
    assert.ok(bodies.length > 1);
    for (const [first, again] of bodies) assert.is(first, again);
  });
});

it('the gzipped body holds the same bytes, whatever is stored plain, deflated or cut', async () => {
  for (const options of [{}, { batchMax: 7 }, { batchMax: 333 }, { batchBytes: 50_000 }]) {
    await withWal({}, async (wal) => {
      await appendMix(wal);
      const sink = new TestSink();
      await shipAll(wal, sink, options);
      for (const { batch, text } of sink.sent) {
        assert.is((await inflated(await batch.gzip())).toString(), text, JSON.stringify(options));
      }
    });
  }
});

it('the idempotency key names log, kind, range and the lines’ checksum', async () => {
  await withWal({}, async (wal) => {
    await appendMix(wal);
    const sink = new TestSink();
    await shipAll(wal, sink, { batchMax: 100 });
    const { logId } = wal.stats();
    for (const { batch, text } of sink.sent) {
      const crc = crc32(text).toString(16).padStart(8, '0');
      assert.is(batch.id, `${logId}:log:${batch.firstSeq}-${batch.lastSeq}:${crc}`);
    }
    assert.is(new Set(sink.sent.map(({ batch }) => batch.id)).size, sink.sent.length);
  });
});

it('batchMax smaller than an entry cuts it, and the cursor stands inside it, also after a reopen', async () => {
  await withWal({}, async (wal, opened) => {
    const records = Array.from({ length: 10 }, (_, n) => record(n));
    const receipts = await wal.appendMany('log', records);
    const sink = new TestSink(({ batch }, number) => {
      if (number > 2) throw new Error('down from here');
      return { accepted: batch.count };
    });
    const shipper = wal.ship('log', sink, { batchMax: 3, lingerMs: 0 });
    await sink.nth(3);
    await shipper.stop();
    assert.equal(sink.seqs.slice(0, 2), [
      [1, 2, 3],
      [4, 5, 6],
    ]);
    assert.is(wal.stats().streams['log']?.shippers['default']?.seq, 6);

    const again = await opened.reopen();
    assert.is(again.stats().streams['log']?.shippers['default']?.backlogRecords, 4);
    assert.ok((await again.verify()).ok);
    const rest = new TestSink();
    await shipAll(again, rest);
    assert.is(
      rest.sent.map(({ text }) => text).join(''),
      receipts
        .slice(6)
        .map((receipt, n) => lineOf(receipt, records[n + 6]!))
        .join(''),
    );
    assert.is(again.stats().streams['log']?.storedBytes, 0);
  });
});

it('batchMax bounds every batch, over entry borders too', async () => {
  await withWal({}, async (wal) => {
    for (let n = 0; n < 40; n++) await wal.appendMany('log', [record(n), record(n), record(n)]);
    const sink = new TestSink();
    await shipAll(wal, sink, { batchMax: 50 });
    assert.equal(
      sink.seqs.flat(),
      Array.from({ length: 120 }, (_, n) => n + 1),
    );
    // Whole entries of three: two more would be one more than fits.
    assert.equal(
      sink.seqs.map((seqs) => seqs.length),
      [48, 48, 24],
    );
  });
});

it('batchBytes bounds the lines of every batch, unless a single record has more', async () => {
  const bounds = { narrow: 4_096, middle: 20_000, wide: 100_000 };
  await withWal({ streams: { log: { shippers: Object.keys(bounds) } } }, async (wal) => {
    const lines = await appendMix(wal);
    for (const [name, batchBytes] of Object.entries(bounds)) {
      const sink = new TestSink();
      await shipAll(wal, sink, { name, batchBytes });
      assert.is(sink.sent.map(({ text }) => text).join(''), lines.join(''), name);
      for (const { batch } of sink.sent) {
        assert.ok(batch.lineBytes <= batchBytes || batch.count === 1, `${name}: ${batch.lineBytes}`);
      }
      // And they are used: on average, batches are half full at least.
      assert.ok(sink.sent.length <= 4 + (2 * Buffer.byteLength(lines.join(''))) / batchBytes, name);
    }
    assert.is(wal.stats().streams['log']?.storedBytes, 0);
  });
});

it('a notice stands in the place of what was evicted, as a line of its own', async () => {
  await withWal({}, async (wal, { clock }) => {
    await wal.appendMany('log', [record(1), record(2), record(3)]);
    await wal.evict({ kind: 'log', maxBytes: 0 });
    const receipt = await wal.append('log', record(4));
    const sink = new TestSink();
    await shipAll(wal, sink);
    const { logId } = wal.stats();
    const gap = { from: 1, to: 3, reason: 'size', at: clock.now() };
    const notice = { id: `${logId}:log:gap:1-3`, seq: 3, kind: 'log', gap };
    assert.is(sink.sent[0]!.text, `${JSON.stringify(notice)}\n${lineOf(receipt, record(4))}`);
    const { firstSeq, lastSeq, count } = sink.sent[0]!.batch;
    assert.equal({ firstSeq, lastSeq, count }, { firstSeq: 1, lastSeq: 4, count: 2 });
    assert.is((await inflated(await sink.sent[0]!.batch.gzip())).toString(), sink.sent[0]!.text);
  });
});

it('a sink that takes no notices is sent none, and nothing at all where there is nothing else', async () => {
  await withWal({}, async (wal) => {
    await wal.appendMany('log', [record(1), record(2), record(3)]);
    await wal.evict({ kind: 'log', maxBytes: 0 });
    const sink = new TestSink(undefined, { notices: false });
    await shipAll(wal, sink);
    assert.is(sink.sent.length, 0);
    assert.is(wal.stats().streams['log']?.shippers['default']?.seq, 3);
    await wal.append('log', record(4));
    await shipAll(wal, sink);
    assert.equal(sink.seqs, [[4]]);
    assert.ok((await wal.verify()).ok);
  });
});

it.run();
