import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReadAhead } from '../../lib/log/ahead.js';
import { entriesAfter, keys } from '../../lib/log/keyspace.js';
import type { KeyRange } from '../../lib/log/keyspace.js';
import type { Store } from '../../lib/log/store.js';
import { numbers, storeWith, withStore } from '../helpers/log.js';

const it = suite('log/ahead');

const KIND = 'log';

/** Entries of one record each, and where the disk was looked at for them. */
async function withEntries(
  count: number,
  work: (store: Store, seeks: string[]) => Promise<void>,
): Promise<void> {
  await withStore(async (store) => {
    await store.commit(
      new Map(numbers(1, count).map((seq) => [keys.entry(KIND, seq), Buffer.from(`${seq}`)])),
    );
    const seeks: string[] = [];
    const watched = storeWith(store, {
      scan: (range: KeyRange, options) => {
        seeks.push(range.gte);
        return store.scan(range, options);
      },
    });
    await work(watched, seeks);
  });
}

const seqsOf = (rows: readonly [string, Buffer][]) => rows.map(([, value]) => Number(value.toString()));

async function after(ahead: ReadAhead, seq: number, limit: number): Promise<number[]> {
  return seqsOf(await ahead.scan(entriesAfter(KIND, seq), { limit }));
}

it('one look at the disk serves four reads, and every row comes once and in order', async () => {
  await withEntries(20, async (store, seeks) => {
    const ahead = new ReadAhead({ store, kind: KIND, removals: () => 0 });
    const read: number[] = [];
    while (read.length < 20) read.push(...(await after(ahead, read.length, 2)));
    assert.equal(read, numbers(1, 20));
    assert.equal(await after(ahead, 20, 2), []);
    assert.equal(
      seeks,
      [0, 8, 16, 20].map((seq) => entriesAfter(KIND, seq).gte),
    );
  });
});

it('what was refused is given again', async () => {
  await withEntries(8, async (store, seeks) => {
    const ahead = new ReadAhead({ store, kind: KIND, removals: () => 0 });
    assert.equal(await after(ahead, 0, 3), [1, 2, 3]);
    assert.equal(await after(ahead, 1, 3), [2, 3, 4]);
    assert.is(seeks.length, 1);
  });
});

it('what stands before the known rows, or was forgotten, is looked for', async () => {
  await withEntries(8, async (store, seeks) => {
    const ahead = new ReadAhead({ store, kind: KIND, removals: () => 0 });
    assert.equal(await after(ahead, 4, 1), [5]);
    assert.equal(await after(ahead, 2, 1), [3]);
    ahead.forget();
    assert.equal(await after(ahead, 3, 1), [4]);
    assert.is(seeks.length, 3);
  });
});

it('rows are as old as the removals that had ended before they were read', async () => {
  await withEntries(8, async (store) => {
    let removals = 1;
    const ahead = new ReadAhead({ store, kind: KIND, removals: () => removals });
    await after(ahead, 0, 1);
    removals = 2;
    assert.equal([ahead.removals(1), ahead.removals(3)], [1, 1]);
    // Not read yet.
    assert.is(ahead.removals(4), 2);
    ahead.forget();
    assert.is(ahead.removals(1), 2);
  });
});

it.run();
