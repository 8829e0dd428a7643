// What is put aside and what is waited for, as a table: batches and answers in, verdicts out.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SinkError } from '../../lib/ship/sink.js';
import type { Asked, Suspicion } from '../../lib/ship/suspicion.js';
import {
  clear,
  linesMax,
  suspect,
  suspectSize,
  verdictOn,
  waitAfterRound,
  withEvidence,
} from '../../lib/ship/suspicion.js';

const it = suite('ship/suspicion');

const refused = new SinkError('refused', 'answered 400');

const suspicion = (lines: number, taken = false, evidence = false, refusedTo = 8): Suspicion => ({
  lines,
  refusedTo,
  taken,
  evidence,
});

/** A batch of records. */
const asked = (from: number, to: number): Asked => ({
  count: to - from + 1,
  records: to - from + 1,
  from,
  to,
});

it('a refused batch is split; one record needs evidence; a notice is never put aside', () => {
  const table: [count: number, records: number, taken: boolean, evidence: boolean, verdict: string][] = [
    [2000, 2000, false, false, 'split'],
    [2000, 2000, true, true, 'split'],
    [2, 1, true, true, 'split'],
    [2, 0, true, true, 'split'],
    [1, 1, false, false, 'probe'],
    [1, 1, true, false, 'recheck'],
    [1, 1, true, true, 'quarantine'],
    [1, 0, false, false, 'wait'],
    [1, 0, true, true, 'wait'],
  ];
  for (const [count, records, taken, evidence, verdict] of table) {
    const batch = { count, records, from: 1, to: 1 };
    assert.is(
      verdictOn(suspicion(count, taken, evidence), batch),
      verdict,
      `${count} ${records} ${evidence}`,
    );
  }
});

it('what was first refused earlier keeps what speaks against it; what is refused first now does not', () => {
  assert.equal(suspect(undefined, asked(1, 8)), suspicion(8));
  assert.equal(suspect(suspicion(4, true, true), asked(5, 6)), suspicion(2, true, true));
  assert.equal(suspect(suspicion(1, true, true), asked(8, 20)), suspicion(13, true, true));
  assert.equal(suspect(suspicion(1, true, true), asked(9, 20)), suspicion(12, false, false, 20));
  assert.equal(suspectSize(undefined, asked(1, 8)), suspicion(0));
  assert.equal(suspectSize(suspicion(4, true, true), asked(5, 6)), suspicion(4, true, true));
  assert.equal(withEvidence(suspicion(1)), suspicion(1, true, true));
});

it('what is taken is evidence, unless it is notices only; what is put aside uses it up', () => {
  const notices: Asked = { ...asked(1, 4), records: 0 };
  const table: [
    before: Suspicion | undefined,
    batch: Asked,
    refused: number,
    after: Suspicion | undefined,
  ][] = [
    [undefined, asked(1, 5), 0, undefined],
    [suspicion(8), asked(1, 4), 0, suspicion(4, true, true)],
    [suspicion(8), asked(1, 4), 1, suspicion(4, true, false)],
    [suspicion(8), notices, 0, suspicion(4)],
    [suspicion(4, true, true), notices, 0, suspicion(0, true, true)],
    [suspicion(2, true, true), asked(5, 5), 1, suspicion(1, true, false)],
    [suspicion(1, true, false), asked(6, 6), 0, suspicion(0, true, true)],
    [suspicion(0, true, true), asked(7, 20), 0, undefined],
    [suspicion(1, true, true), asked(8, 8), 1, undefined],
  ];
  for (const [before, batch, refused_, after] of table) assert.equal(clear(before, batch, refused_), after);
});

it('each batch of a search has half of what is suspected, and at least one line', () => {
  assert.is(linesMax(undefined), Infinity);
  const limits = [2000, 7, 3, 2, 1, 0].map((lines) => linesMax(suspicion(lines)));
  assert.equal(limits, [1000, 3, 1, 1, 1, Infinity]);
});

it('a destination that refuses everything is asked again after minutes, whatever else it says', () => {
  const rounds = [1, 2, 3, 4, 5, 1_000_000];
  assert.equal(
    rounds.map((round) => waitAfterRound(refused, round, 0)),
    [30_000, 60_000, 120_000, 150_000, 150_000, 150_000],
  );
  assert.equal(
    rounds.map((round) => waitAfterRound(refused, round, 1)),
    [60_000, 120_000, 240_000, 300_000, 300_000, 300_000],
  );
  const waitFor = (retryAfterMs: number) =>
    waitAfterRound(new SinkError('refused', '', { retryAfterMs }), 1, 1);
  assert.equal([0, NaN, 59_000, 600_000, 1e12].map(waitFor), [60_000, 60_000, 60_000, 600_000, 3_600_000]);
});

it.run();
