// What a cursor's own counts, the notices and the head still prove when some of them are missing. Pure.
//
// A cursor's value is one piece: what it says of the seqs in front of its position holds by itself,
//   seq - startSeq = delivered + quarantined + what went before it was passed,
// and what it counted beyond that stood under notices behind its position.

import type { GapReason } from '../records.js';
import type { Cursor, Range } from './ledger.js';
import { unsettled } from './ledger.js';
import type { Notice, StreamState } from './state.js';

type Counts = Map<GapReason, number>;

/** Notices in order, each seq under one of them only: one that was merged into another may be back. */
export function withoutOverlaps(notices: readonly Notice[]): Notice[] {
  const kept: Notice[] = [];
  // The longest first of those that begin at one seq.
  for (const notice of notices.toSorted((a, b) => a.from - b.from || b.to - a.to)) {
    const from = Math.max(notice.from, (kept.at(-1)?.to ?? 0) + 1);
    if (from <= notice.to) kept.push(from === notice.from ? notice : { ...notice, from });
  }
  return kept;
}

/** Where a cursor of which nothing is known must begin: behind it lie all that is stored and all that went from in front of it. */
export function placeBehindHead({ head, notices }: StreamState): number {
  let place = head.seq;
  for (const { from, to } of notices.toReversed()) if (from <= place && to >= place) place = from - 1;
  return place;
}

/**
 * A cursor that is older than the head, moved up: what was deleted without a notice, it had passed, so it was
 * delivered. What the cursor counted as gone behind its position and no notice stands for is `forgotten`: it is
 * told again.
 */
export function caughtUp(
  stream: StreamState,
  cursor: Cursor,
): { cursor: Cursor; forgotten: (Range & { reason: GapReason })[] } {
  const open = uncovered(stream, { from: cursor.seq + 1, to: stream.head.seq });
  const records = open.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  if (records === 0) return { cursor, forgotten: [] };
  const noticed = countsAbove(stream.notices, cursor);
  const counted = total(goneOf(cursor)) - passedBy(cursor);
  const missing = Math.min(records, Math.max(0, counted - total(noticed)));
  // Evicting begins in front of what is delivered last, so what was delivered comes first.
  const [delivered, forgotten] = splitAfter(open, records - missing);
  const seq = delivered.at(-1)?.to ?? cursor.seq;
  const reason = mostMissing(goneOf(cursor), noticed);
  return {
    cursor: { ...cursor, seq, delivered: cursor.delivered + records - missing },
    forgotten: forgotten.map((range) => ({ ...range, reason })),
  };
}

/**
 * A cursor whose counts fit what is stored and noticed now. `counted`: the notices that it knew; any others are new.
 */
export function recount(stream: StreamState, cursor: Cursor, counted: readonly Notice[]): Cursor {
  const known = countsAbove(counted, cursor);
  const passed: Counts = new Map();
  let left = passedBy(cursor);
  for (const [reason, count] of goneOf(cursor)) {
    const before = Math.min(left, Math.max(0, count - (known.get(reason) ?? 0)));
    passed.set(reason, before);
    left -= before;
  }
  // Passed, but by no reason that is known.
  passed.set('corrupt', (passed.get('corrupt') ?? 0) + left);
  const gone: Partial<Record<GapReason, number>> = {};
  for (const counts of [passed, countsAbove(stream.notices, cursor)]) {
    for (const [reason, count] of counts) if (count > 0) gone[reason] = (gone[reason] ?? 0) + count;
  }
  const lost = gone.corrupt ?? 0;
  const dropped = Object.values(gone).reduce((sum, count) => sum + count, 0) - lost;
  return { ...cursor, gone, lost, dropped };
}

/** Records in front of a cursor that were neither delivered nor put aside. */
function passedBy({ seq, startSeq, delivered, quarantined }: Cursor): number {
  return Math.max(0, seq - startSeq - delivered - quarantined);
}

/** `gone`, what can't be read last: where counts do not fit, it is the reason that is doubted least. */
function goneOf({ gone }: Cursor): Counts {
  return new Map(
    Object.entries(gone).toSorted(([a], [b]) => Number(a === 'corrupt') - Number(b === 'corrupt')) as [
      GapReason,
      number,
    ][],
  );
}

/** Seqs under notices behind a cursor, by reason: all of them are counted as gone. */
export function countsAbove(notices: readonly Notice[], cursor: Cursor): Counts {
  const counts: Counts = new Map();
  for (const notice of notices) {
    counts.set(notice.reason, (counts.get(notice.reason) ?? 0) + unsettled(cursor, notice));
  }
  return counts;
}

function total(counts: Counts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function mostMissing(gone: Counts, noticed: Counts): GapReason {
  const missing = [...gone].map(([reason, count]) => [reason, count - (noticed.get(reason) ?? 0)] as const);
  return missing.toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? 'corrupt';
}

/** The parts of a range that no notice stands for. */
function uncovered({ notices }: StreamState, range: Range): Range[] {
  const parts: Range[] = [];
  let from = range.from;
  for (const notice of notices) {
    if (notice.from > from) parts.push({ from, to: Math.min(notice.from - 1, range.to) });
    from = Math.max(from, notice.to + 1);
    if (from > range.to) break;
  }
  if (from <= range.to) parts.push({ from, to: range.to });
  return parts.filter((part) => part.from <= part.to);
}

/** The first so many seqs of some ranges, and the others. */
function splitAfter(ranges: readonly Range[], count: number): [first: Range[], rest: Range[]] {
  const first: Range[] = [];
  const rest: Range[] = [];
  let left = count;
  for (const range of ranges) {
    const cut = Math.min(range.to, range.from + left - 1);
    if (cut >= range.from) first.push({ from: range.from, to: cut });
    if (cut < range.to) rest.push({ from: Math.max(range.from, cut + 1), to: range.to });
    left -= Math.max(0, cut - range.from + 1);
  }
  return [first, rest];
}
