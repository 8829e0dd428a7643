import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../lib/log/entry.js';
import { evictOlder } from '../../lib/log/evict.js';
import { keys } from '../../lib/log/keyspace.js';
import type { Log } from '../../lib/log/log.js';
import { entryAfter, lastSeqWithin, likelySeqAt, offsetAfter, offsetThrough } from '../../lib/log/seek.js';
import { appendEntries, entriesOf, flipped, numbers, storeWith, withLog } from '../helpers/log.js';

const it = suite('log/seek');

const KIND = 'log';

/** 40 entries, a second apart; the 1st to 5th are evicted, and with a hole behind a batch in flight, the 9th to 12th. */
async function withHoles(use: (log: Log, entries: Entry[]) => Promise<void>): Promise<void> {
  await withLog({}, async (log, { clock }) => {
    const began = clock.now();
    for (let n = 0; n < 40; n++) {
      await appendEntries(log, KIND, [1 + (n % 7)]);
      clock.advance(1000);
    }
    const before = await entriesOf(log.store, KIND);
    await evictOlder(log, KIND, began + 5000, true);
    const held = { from: before[5]!.firstSeq, to: before[7]!.lastSeq };
    assert.ok(log.claims.send(KIND, 'default', held, log.claims.removals(KIND)));
    await evictOlder(log, KIND, began + 12_000, true);
    const entries = await entriesOf(log.store, KIND);
    assert.is(entries.length, 40 - 5 - 4);
    await use(log, entries);
  });
}

it('the entry after a seq is the first that holds any seq above it', async () => {
  await withHoles(async (log, entries) => {
    for (const seq of numbers(0, log.stream(KIND).lastSeq + 1)) {
      const expected = entries.find(({ lastSeq }) => lastSeq > seq);
      assert.is((await entryAfter(log.store, KIND, seq))?.lastSeq, expected?.lastSeq);
    }
  });
});

it('bytes before a seq, and through it, are those that a walk from the head adds up', async () => {
  await withHoles(async (log, entries) => {
    const stream = log.stream(KIND);
    for (const seq of numbers(stream.head.seq, stream.lastSeq)) {
      const next = entries.find(({ lastSeq }) => lastSeq > seq);
      assert.is(await offsetAfter(log.store, stream, seq), next?.offset ?? stream.endOffset);
    }
    for (const { lastSeq, offset, size } of entries) {
      assert.is(await offsetThrough(log.store, stream, lastSeq), offset + size);
    }
  });
});

it('bytes through a damaged entry are told by what stands behind it, without those of a notice in between', async () => {
  await withHoles(async (log, entries) => {
    // The entry in front of the hole.
    const { lastSeq, offset, size } = entries[2]!;
    const key = keys.entry(KIND, lastSeq);
    await log.store.commit(new Map([[key, flipped((await log.store.get(key))!, 99)]]));
    assert.is(await offsetThrough(log.store, log.stream(KIND), lastSeq), offset + size);
  });
});

it('the last entry within a bound is the one that a walk from the head finds', async () => {
  await withHoles(async (log, entries) => {
    const stream = log.stream(KIND);
    const bounds: ((entry: Entry) => boolean)[] = [
      () => false,
      () => true,
      ...numbers(0, 42).map((n) => (entry: Entry) => entry.appendedAt < entries[0]!.appendedAt + n * 1000),
      ...entries.map(
        ({ offset }) =>
          (entry: Entry) =>
            entry.offset + entry.size <= offset,
      ),
    ];
    for (const isWithin of bounds) {
      const expected = entries.findLast((entry) => isWithin(entry))?.lastSeq ?? stream.head.seq;
      assert.is(await lastSeqWithin(log.store, stream, isWithin), expected);
      for (const aim of [0, 20, 70, stream.lastSeq - 1, stream.lastSeq, Infinity]) {
        assert.is(await lastSeqWithin(log.store, stream, isWithin, aim), expected);
      }
    }
  });
});

it('a place is found in a few seeks, however many entries there are', async () => {
  await withLog({}, async (log) => {
    await appendEntries(log, KIND, Array<number>(200).fill(1));
    let seeks = 0;
    const { store } = log;
    const counting = storeWith(store, {
      scan: (...given) => {
        seeks++;
        return store.scan(...given);
      },
    });
    assert.is(await lastSeqWithin(counting, log.stream(KIND), ({ lastSeq }) => lastSeq <= 137), 137);
    assert.ok(seeks <= 9, `${seeks} seeks`);
  });
});

it('a place near where it is looked for first is found in as many seeks in a long stream as in a short one', async () => {
  const counts: number[] = [];
  for (const length of [200, 1000]) {
    await withLog({}, async (log) => {
      await appendEntries(log, KIND, Array<number>(length).fill(50));
      const { store } = log;
      const stream = log.stream(KIND);
      let seeks = 0;
      const counting = storeWith(store, {
        scan: (...given) => {
          seeks++;
          return store.scan(...given);
        },
      });
      assert.is(await lastSeqWithin(counting, stream, ({ lastSeq }) => lastSeq <= 2000), 2000);
      const last = stream.lastSeq - 2000;
      assert.is(
        await lastSeqWithin(
          counting,
          stream,
          ({ lastSeq }) => lastSeq <= last,
          likelySeqAt(stream, Infinity),
        ),
        last,
      );
      counts.push(seeks);
    });
  }
  const [short, long] = counts;
  assert.is(long, short);
});

it('damaged entries are stepped over', async () => {
  await withLog({}, async (log) => {
    await appendEntries(log, KIND, Array<number>(70).fill(1));
    const damage = async (from: number, to: number) => {
      for (const seq of numbers(from, to)) {
        const key = keys.entry(KIND, seq);
        await log.store.commit(new Map([[key, flipped((await log.store.get(key))!, seq)]]));
      }
    };
    await damage(2, 20);
    assert.is((await entryAfter(log.store, KIND, 1))?.lastSeq, 21);
    await damage(21, 69);
    // Not for ever: whoever asks gets no answer rather than a scan of the whole log.
    assert.is(await entryAfter(log.store, KIND, 1), undefined);
    assert.is((await entryAfter(log.store, KIND, 20))?.lastSeq, 70);
  });
});

it.run();
