// `wal.read`: what is on disk, in order, beside everything that deletes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evictOlder } from '../../lib/log/evict.js';
import type { ReadItem } from '../../lib/passage.js';
import { readItems } from '../../lib/reading.js';
import { appendEntries, numbers, storeWith, withLog } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';
import { TestSink, accepting } from '../helpers/sink.js';
import { readAll, withWal } from '../helpers/wal.js';
import type { AnyWal } from '../helpers/wal.js';

const it = suite('log/reading');

async function appendTo(wal: AnyWal, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 10) {
    const last = Math.min(to, n + 9);
    await wal.appendMany(
      'log',
      numbers(n, last).map((seq) => ({ n: seq })),
    );
  }
}

function seqs(items: readonly ReadItem[]): number[] {
  return items.map(({ seq }) => seq);
}

it('reads a range, up to a limit, with ids and times', async () => {
  await withWal({}, async (wal, { clock }) => {
    await appendTo(wal, 1, 50);
    assert.equal(seqs(await readAll(wal, 'log')), numbers(1, 50));
    assert.equal(seqs(await readAll(wal, 'log', { from: 15, to: 33 })), numbers(15, 33));
    assert.equal(seqs(await readAll(wal, 'log', { from: 15, limit: 3 })), [15, 16, 17]);
    assert.equal(seqs(await readAll(wal, 'log', { from: 51 })), []);
    assert.equal(seqs(await readAll(wal, 'log', { to: 999 })), numbers(1, 50));
    const [item] = await readAll(wal, 'log', { from: 7, limit: 1 });
    const { writerId } = wal.stats();
    const expected = {
      id: `${writerId}:log:7`,
      seq: 7,
      kind: 'log',
      record: { n: 7 },
      appendedAt: clock.now(),
    };
    assert.equal(item, expected);
  });
});

it('a range that is none is WAL_CONFIG, at the call', async () => {
  await withWal({}, async (wal) => {
    for (const options of [{ from: 0 }, { from: 1.5 }, { limit: 0 }, { to: 0 }, { from: 5, to: 4 }]) {
      assert.throws(
        () => wal.read('log', options),
        (error: { code?: string }) => error.code === 'WAL_CONFIG',
      );
    }
    assert.throws(() => wal.read('nobody'), /no stream 'nobody'/);
  });
});

it('what is appended while it reads is not read', async () => {
  await withWal({}, async (wal) => {
    await appendTo(wal, 1, 20);
    const reading = wal.read('log');
    const items: ReadItem[] = [(await reading.next()).value as ReadItem];
    await appendTo(wal, 21, 40);
    for await (const item of reading) items.push(item as ReadItem);
    assert.equal(seqs(items), numbers(1, 20));
  });
});

it('what was evicted is told in its place, also where it goes while the reader thinks', async () => {
  await withWal({}, async (wal) => {
    await appendTo(wal, 1, 3000);
    await wal.evict({ maxBytes: Math.floor(wal.stats().streams['log']!.storedBytes * 0.9) });
    const reading = wal.read('log');
    const first = (await reading.next()).value as ReadItem;
    assert.ok('gap' in first && first.gap.from === 1 && first.gap.reason === 'size');
    assert.is(((await reading.next()).value as ReadItem).seq, first.seq + 1);
    await wal.evict({ maxBytes: 0 });
    let next = first.seq + 2;
    for await (const item of reading) {
      const from = 'gap' in item ? item.gap.from : item.seq;
      assert.is(from, next);
      if ('gap' in item) assert.is(item.gap.reason, 'size');
      next = item.seq + 1;
    }
    assert.is(next, 3001);
  });
});

it('reading beside a shipper that deletes sees no damage, and no record twice', async () => {
  await withWal({}, async (wal) => {
    await appendTo(wal, 1, 3000);
    const items: ReadItem[] = [];
    const reading = (async () => {
      for await (const item of wal.read('log')) items.push(item as ReadItem);
    })();
    const shipper = wal.ship('log', new TestSink(accepting), { batchMax: 100 });
    await Promise.all([reading, shipper.idle()]);
    assert.ok(items.every((item) => 'record' in item));
    const read = seqs(items);
    assert.equal(
      read,
      read.toSorted((a, b) => a - b),
    );
    assert.is(new Set(read).size, read.length);
    assert.equal(await readAll(wal, 'log'), []);
  });
});

it('reading beside evictions around a batch in flight tells of them, and of no damage', async () => {
  await withWal({}, async (wal) => {
    await appendTo(wal, 1, 4000);
    const reading = wal.read('log');
    await reading.next();
    let next = 2;
    for await (const item of reading) {
      if (next === 500)
        await wal.evict({ maxBytes: Math.floor(wal.stats().streams['log']!.storedBytes / 2) });
      assert.ok('record' in item || item.gap.reason !== 'corrupt', `${item.seq}`);
      next = item.seq + 1;
    }
    assert.is(next, 4001);
  });
});

it('a hole that is made between two looks at the disk is told as what it is', async () => {
  await withLog({}, async (log, { clock }) => {
    for (let n = 0; n < 40; n++) {
      await appendEntries(log, 'log', [10]);
      clock.advance(1000);
    }
    log.claims.send('log', 'default', { from: 1, to: 20 }, log.claims.removals('log'));
    const { store } = log;
    let scans = 0;
    const scan: typeof store.scan = async (...given) => {
      const rows = await store.scan(...given);
      if (++scans === 1) await evictOlder(log, 'log', clock.now() - 10_000, true);
      return rows;
    };
    Object.defineProperty(log, 'store', { value: storeWith(store, { scan }) });
    let next = 1;
    for await (const item of readItems(log, 'log', {})) {
      assert.is('gap' in item ? item.gap.from : item.seq, next);
      if ('gap' in item) assert.is(item.gap.reason, 'age');
      next = item.seq + 1;
    }
    assert.is(next, 401);
  });
});

it('a reader that is still reading when the log closes is told so', async () => {
  await withWal({}, async (wal) => {
    await appendTo(wal, 1, 3000);
    const reading = wal.read('log');
    await reading.next();
    await wal.close();
    const rest = (async () => {
      for await (const _ of reading);
    })();
    await rejectsWith(rest, 'WAL_CLOSED');
  });
});

it.run();
