import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { appendRange, coalesce } from '../../lib/ingest/ranges.js';
import type { SeqRange } from '../../lib/ingest/ranges.js';

const it = suite('ingest/ranges');

const someRanges = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 8 }))
    .map(([from, more]) => ({ from, to: from + more })),
  { maxLength: 30 },
);

const seqsOf = (ranges: SeqRange[]) =>
  new Set(
    ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index)),
  );

it('coalescing keeps the same seqs, in ranges that never touch', () => {
  fc.assert(
    fc.property(someRanges, (ranges) => {
      const merged = coalesce(ranges);
      assert.equal(
        [...seqsOf(merged)],
        [...seqsOf(ranges)].toSorted((a, b) => a - b),
      );
      for (const [index, { from }] of merged.entries()) {
        if (index > 0) assert.ok(from > merged[index - 1]!.to + 1);
      }
    }),
  );
});

it('coalescing changes nothing it was given', () => {
  const given = [
    { from: 3, to: 4 },
    { from: 1, to: 2 },
  ];
  assert.equal(coalesce(given), [{ from: 1, to: 4 }]);
  assert.equal(given, [
    { from: 3, to: 4 },
    { from: 1, to: 2 },
  ]);
});

it('a batch in order is one range', () => {
  const ranges: SeqRange[] = [];
  for (let seq = 5; seq <= 9; seq++) appendRange(ranges, seq, seq);
  appendRange(ranges, 10, 20);
  appendRange(ranges, 22, 22);
  assert.equal(ranges, [
    { from: 5, to: 20 },
    { from: 22, to: 22 },
  ]);
});

it.run();
