// Which record a destination refuses, and whether that proves anything against it. Pure: answers in, what to do out.
//
// Who refuses a batch is asked about half of it, until a single line is refused. That line is put aside only if the
// same destination has taken another record since it was first refused: one of the same batch, or, where all of it
// was refused, one of the next 16 records, sent singly. Then the line is sent once more, so that a destination which
// refused everything for a while has its chance; only what is refused again is put aside.
//
// One proof, one record: for the next refused one of the same batch, the destination is asked again about what it
// took before. So one that begins to refuse everything in the middle of a search costs one record at most. Whoever
// takes nothing refuses everything: the backlog waits, and the next round comes minutes later.

import type { SinkError } from './sink.js';
import { longerOf } from './patience.js';

/** Later records that are sent singly for evidence, in each round. */
export const PROBES_MAX = 16;

/** The most that a wait between two rounds is drawn from, in ms: at first, and doubled up to the most. */
const ROUND_MS_MIN = 60_000;
const ROUND_MS_MAX = 300_000;

/** Something behind the cursor is refused. */
export interface Suspicion {
  /** Lines from the cursor on, of which at least one is refused; 0 where that one was found. */
  readonly lines: number;
  /** Everything from the cursor to this seq was refused at first, as one batch. */
  readonly refusedTo: number;
  /** The destination took another record since then. */
  readonly taken: boolean;
  /** And it did so since a record was last put aside. */
  readonly evidence: boolean;
}

/** What to do about a refused batch. */
export type Verdict =
  /** Ask about half of it. */
  | 'split'
  /** Look for evidence: send later records singly. */
  | 'probe'
  /** There is evidence, but it has served already: send what was taken once more. */
  | 'recheck'
  /** It is this record: put it aside. */
  | 'quarantine'
  /** A notice, which is never put aside: somebody has to change something. */
  | 'wait';

/** A batch, as far as it matters here. */
export interface Asked {
  /** Lines, and how many of them are records. */
  readonly count: number;
  readonly records: number;
  readonly from: number;
  readonly to: number;
}

/** A batch behind the cursor was refused whole. What was first refused earlier keeps what speaks against it. */
export function suspect(before: Suspicion | undefined, batch: Asked): Suspicion {
  return { ...suspectSize(before, batch), lines: batch.count };
}

/** A batch of several lines was too large. There is nothing to search for yet: smaller batches may all be taken. */
export function suspectSize(before: Suspicion | undefined, batch: Asked): Suspicion {
  const isKnown = before && batch.from <= before.refusedTo;
  return isKnown ? before : { lines: 0, refusedTo: batch.to, taken: false, evidence: false };
}

/** What to do about a batch that was refused, once it is suspected. */
export function verdictOn({ taken, evidence }: Suspicion, { count, records }: Asked): Verdict {
  if (count > 1) return 'split';
  if (records === 0) return 'wait';
  if (evidence) return 'quarantine';
  return taken ? 'recheck' : 'probe';
}

/** A batch behind the cursor was settled: taken, but for so many records that were put aside. */
export function clear(before: Suspicion | undefined, batch: Asked, refused: number): Suspicion | undefined {
  if (!before || batch.to >= before.refusedTo) return undefined;
  const isTaken = batch.records > refused;
  return {
    ...before,
    lines: Math.max(0, before.lines - batch.count),
    taken: before.taken || isTaken,
    // What was put aside has used its evidence up.
    evidence: refused > 0 ? false : before.evidence || isTaken,
  };
}

/** Another record was taken, out of turn or once more. */
export function withEvidence(suspicion: Suspicion): Suspicion {
  return { ...suspicion, taken: true, evidence: true };
}

/** Lines that the next batch may have, so that the search gets on. */
export function linesMax(suspicion: Suspicion | undefined): number {
  return suspicion && suspicion.lines > 0 ? Math.max(1, Math.floor(suspicion.lines / 2)) : Infinity;
}

/** How long to wait, in ms, after a round in which everything was refused; the first round is 1. */
export function waitAfterRound(error: SinkError, round: number, random: number): number {
  const bound = Math.min(ROUND_MS_MAX, ROUND_MS_MIN * 2 ** Math.min(round - 1, 10));
  const waitMs = bound * (0.5 + random / 2);
  return longerOf(waitMs, error);
}
