// Which record a destination refuses, and whether that proves anything against it. Pure: answers in, what to do out.
//
// Who refuses a batch is asked about half of it, until a single line is refused. That line is put aside only if the
// same destination has taken another record since: from the same batch, or, where it refused all of it, one of the
// next 16 records, sent singly. Then the line is sent once more, so that a destination which refused everything for
// a while has its chance; only what is refused again is put aside. Each record needs evidence of its own: a
// destination that begins to refuse everything in the middle of a search costs one record at most, not all of them.
// Whoever takes none of them refuses everything: the backlog waits, and the next round comes minutes later.

import type { SinkError } from './sink.js';

/** Later records that are sent singly for evidence, in each round. */
export const PROBES_MAX = 16;

/** The most that a wait between two rounds is drawn from, in ms: at first, and doubled up to the most. */
const ROUND_MS_MIN = 60_000;
const ROUND_MS_MAX = 300_000;

/** Something between the cursor and here is refused. */
export interface Suspicion {
  /** Lines from the cursor on, of which at least the first or one behind it is refused. At least 1. */
  readonly lines: number;
  /** The destination took another record since the first of them was refused. */
  readonly evidence: boolean;
}

/** What to do about a refused batch. */
export type Verdict =
  /** Ask about half of it. */
  | 'split'
  /** Look for evidence: send later records singly. */
  | 'probe'
  /** It is this record: put it aside. */
  | 'quarantine'
  /** A notice, which is never put aside: somebody has to change something. */
  | 'wait';

/** What a batch of so many lines, so many of them records, is found guilty of after it was refused. */
export function verdictOn(suspicion: Suspicion, batch: { count: number; records: number }): Verdict {
  if (batch.count > 1) return 'split';
  if (batch.records === 0) return 'wait';
  return suspicion.evidence ? 'quarantine' : 'probe';
}

/** A batch behind the cursor was refused whole. What was first refused earlier keeps its evidence. */
export function suspect(before: Suspicion | undefined, batch: { count: number }): Suspicion {
  return { lines: batch.count, evidence: before?.evidence ?? false };
}

/** A batch behind the cursor was settled: taken, but for the records that were put aside. */
export function clear(
  before: Suspicion | undefined,
  batch: { count: number; records: number; refused: number },
): Suspicion | undefined {
  if (!before || batch.count >= before.lines) return undefined;
  const taken = batch.records > batch.refused;
  // What was put aside has used its evidence up.
  const evidence = batch.refused > 0 ? false : before.evidence || taken;
  return { lines: before.lines - batch.count, evidence };
}

/** Another record was taken out of turn. */
export function withEvidence(suspicion: Suspicion): Suspicion {
  return { ...suspicion, evidence: true };
}

/** Lines that the next batch may have, so that the search gets on. */
export function linesMax(suspicion: Suspicion | undefined): number {
  return suspicion ? Math.max(1, Math.floor(suspicion.lines / 2)) : Infinity;
}

/** How long to wait, in ms, after a round in which everything was refused; the first round is 1. */
export function waitAfterRound(error: SinkError, round: number, random: number): number {
  const bound = Math.min(ROUND_MS_MAX, ROUND_MS_MIN * 2 ** Math.min(round - 1, 10));
  const waitMs = bound * (0.5 + random / 2);
  const askedMs = error.retryAfterMs ?? 0;
  return Math.ceil(askedMs > waitMs ? askedMs : waitMs);
}
