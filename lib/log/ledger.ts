// The ledger: what became of every record, as one shipper's cursor sees it. Pure.
//
// For each cursor, always: lastSeq - startSeq = delivered + dropped + quarantined + lost + backlog.
// The cursor's position and its counts are one value, so that no crash can come between them.

import type { GapReason } from '../records.js';

/** The durable position of one shipper in one stream; everything up to `seq` is settled. */
export interface Cursor {
  readonly seq: number;
  /** Bytes of the stream's entries, ever, before the first that is not wholly settled. */
  readonly offset: number;
  /** The seq behind which this cursor began to count. */
  readonly startSeq: number;
  /** When it last moved: epoch ms. */
  readonly at: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly quarantined: number;
  /** Bytes of quarantined records, keys and values. */
  readonly quarantineBytes: number;
  /** Of `quarantined`, records that were appended again: they are not kept aside any more. Absent: none. */
  readonly resent?: number;
  readonly lost: number;
  /** `dropped` and `lost`, by reason. */
  readonly gone: Readonly<Partial<Record<GapReason, number>>>;
  /** Absent: it was never moved back. */
  readonly replayed?: Replayed;
}

/** What moving a cursor back has taken out of its counts, ever: with it, they only grow. */
export interface Replayed {
  /** How often it was moved back: of two values of a cursor, the one with the higher number is the later. */
  readonly times: number;
  readonly delivered: number;
  readonly quarantined: number;
  readonly lost: number;
}

/** A range of seqs, both ends included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export function newCursor(startSeq: number, offset: number, at: number): Cursor {
  const counts = { delivered: 0, dropped: 0, quarantined: 0, quarantineBytes: 0, lost: 0, gone: {} };
  return { seq: startSeq, offset, startSeq, at, ...counts };
}

/** The cursor after everything up to a place was settled: so many records delivered, so many quarantined. */
export function settled(
  cursor: Cursor,
  place: { seq: number; offset: number },
  counts: { delivered: number; quarantined: number; quarantineBytes: number },
  at: number,
): Cursor {
  return {
    ...cursor,
    seq: place.seq,
    offset: Math.max(cursor.offset, place.offset),
    at,
    delivered: cursor.delivered + counts.delivered,
    quarantined: cursor.quarantined + counts.quarantined,
    quarantineBytes: cursor.quarantineBytes + counts.quarantineBytes,
  };
}

/** The cursor after so many quarantined records were appended again. */
export function resent(cursor: Cursor, records: number, bytes: number): Cursor {
  return {
    ...cursor,
    quarantineBytes: Math.max(0, cursor.quarantineBytes - bytes),
    resent: (cursor.resent ?? 0) + records,
  };
}

/** Records that are kept aside for a cursor. */
export function keptAside({ quarantined, resent: again = 0 }: Cursor): number {
  return quarantined - again;
}

export function timesReplayed(cursor: Cursor | undefined): number {
  return cursor?.replayed?.times ?? 0;
}

/** Whether a cursor's value is older than another one by its position. */
export function isBefore(cursor: Cursor | undefined, other: Cursor): boolean {
  const times = timesReplayed(cursor) - timesReplayed(other);
  return times === 0 ? (cursor?.seq ?? 0) < other.seq : times < 0;
}

/** How many seqs of a range lie behind the cursor's position, that is: had not been settled for it. */
export function unsettled(cursor: Cursor, range: Range): number {
  return Math.max(0, range.to - Math.max(range.from - 1, cursor.seq));
}

/** The cursor after the records of some ranges went away for a reason. The position stays: the notice is still to be delivered. */
export function gone(cursor: Cursor, ranges: readonly Range[], reason: GapReason): Cursor {
  const records = ranges.reduce((sum, range) => sum + unsettled(cursor, range), 0);
  if (records === 0) return cursor;
  const lost = reason === 'corrupt' ? records : 0;
  return {
    ...cursor,
    dropped: cursor.dropped + records - lost,
    lost: cursor.lost + lost,
    gone: { ...cursor.gone, [reason]: (cursor.gone[reason] ?? 0) + records },
  };
}

/** Records after the cursor that are neither evicted nor lost, by the equation. */
export function backlogOf(cursor: Cursor, lastSeq: number): number {
  const { startSeq, delivered, dropped, quarantined, lost } = cursor;
  return lastSeq - startSeq - delivered - dropped - quarantined - lost;
}
