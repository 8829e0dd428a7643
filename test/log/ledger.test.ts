import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backlogOf, gone, newCursor, settled, unsettled } from '../../lib/log/ledger.js';

const it = suite('log/ledger');

const NONE = { delivered: 0, quarantined: 0, quarantineBytes: 0 };

it('a new cursor owes nothing of what was before it', () => {
  assert.is(backlogOf(newCursor(40, 1000, 0), 40), 0);
  assert.is(backlogOf(newCursor(40, 1000, 0), 45), 5);
});

it('settling moves the position and adds the counts; bytes never go back', () => {
  const cursor = settled(
    newCursor(10, 500, 1),
    { seq: 20, offset: 400 },
    { delivered: 9, quarantined: 1, quarantineBytes: 70 },
    2,
  );
  const { seq, offset, startSeq, at, delivered, quarantined, quarantineBytes } = cursor;
  assert.equal(
    { seq, offset, startSeq, at, delivered, quarantined, quarantineBytes },
    { seq: 20, offset: 500, startSeq: 10, at: 2, delivered: 9, quarantined: 1, quarantineBytes: 70 },
  );
  assert.is(backlogOf(cursor, 20), 0);
});

it('of a range, what lies behind the position is unsettled', () => {
  const cursor = { ...newCursor(0, 0, 0), seq: 10 };
  const cases: [from: number, to: number, count: number][] = [
    [1, 10, 0],
    [1, 11, 1],
    [11, 20, 10],
    [5, 15, 5],
    [21, 25, 5],
  ];
  for (const [from, to, count] of cases)
    assert.is(unsettled(cursor, { from, to }), count, `${from} to ${to}`);
});

it('what is gone is dropped, or lost where it was corrupt, by its reason; the position stays', () => {
  let cursor = newCursor(0, 0, 0);
  cursor = gone(cursor, [{ from: 1, to: 4 }], 'size');
  cursor = gone(
    cursor,
    [
      { from: 5, to: 5 },
      { from: 7, to: 8 },
    ],
    'corrupt',
  );
  cursor = gone(cursor, [{ from: 9, to: 9 }], 'size');
  assert.equal([cursor.seq, cursor.dropped, cursor.lost], [0, 5, 3]);
  assert.equal(cursor.gone, { size: 5, corrupt: 3 });
  assert.is(backlogOf(cursor, 10), 2);
});

it('what was settled before it went is neither dropped nor lost', () => {
  const cursor = settled(newCursor(0, 0, 0), { seq: 10, offset: 0 }, { ...NONE, delivered: 10 }, 0);
  assert.is(gone(cursor, [{ from: 1, to: 10 }], 'size'), cursor);
});

it('the equation holds after any sequence of appending, settling and losing', () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom('append', 'settle', 'drop', 'lose'), fc.integer({ min: 1, max: 9 })),
  );
  fc.assert(
    fc.property(steps, (given) => {
      let cursor = newCursor(0, 0, 0);
      let lastSeq = 0;
      const isGone = new Set<number>();
      for (const [does, count] of given) {
        if (does === 'append') lastSeq += count;
        const to = Math.min(lastSeq, cursor.seq + count);
        if (does === 'settle') {
          const there = Array.from({ length: to - cursor.seq }, (_, n) => cursor.seq + 1 + n);
          const delivered = there.filter((seq) => !isGone.has(seq)).length;
          cursor = settled(cursor, { seq: to, offset: 0 }, { ...NONE, delivered }, 0);
        }
        const reason = does === 'drop' ? 'age' : does === 'lose' ? 'corrupt' : undefined;
        if (reason && to > cursor.seq && !isGone.has(to)) {
          cursor = gone(cursor, [{ from: to, to }], reason);
          isGone.add(to);
        }
        const left = Array.from({ length: lastSeq - cursor.seq }, (_, n) => cursor.seq + 1 + n);
        assert.is(backlogOf(cursor, lastSeq), left.filter((seq) => !isGone.has(seq)).length);
        const sum = Object.values(cursor.gone).reduce((a, b) => a + b, 0);
        assert.is(sum, cursor.dropped + cursor.lost);
      }
    }),
  );
});

it.run();
