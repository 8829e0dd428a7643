// What can happen to stored records, as changes of a draft: acknowledge, evict, lose, forget. Pure.
//
// Position, ledger, notices, head and deletes of one operation go into one commit: a crash between any two
// of them would count records twice, or not at all.

import type { GapReason } from '../records.js';
import { keys } from './keyspace.js';
import type { Cursor, Range } from './ledger.js';
import { gone, newCursor, resent, settled, timesReplayed, unsettled } from './ledger.js';
import type { Draft, Notice, StreamState } from './state.js';
import { lowestCursor, noticedBytes } from './state.js';

/** A whole entry, as far as deleting it needs to know it. */
export interface EntryRef {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly offset: number;
  readonly size: number;
}

/** A record put aside, as it is stored. */
export interface Quarantined {
  readonly seq: number;
  readonly line: string;
  readonly reason: string;
  readonly status: number | undefined;
  readonly response: string | undefined;
}

/** What is stored of it. */
export interface PutAside extends Omit<Quarantined, 'seq'> {
  /** When: epoch ms. */
  readonly at: number;
}

/** What a receipt settles for one cursor. */
export interface Acknowledgement {
  readonly kind: string;
  readonly shipper: string;
  /** Where the cursor must stand, and where it goes. */
  readonly after: number;
  readonly to: number;
  readonly delivered: number;
  readonly quarantined: readonly Quarantined[];
  /** The entries that were read for it, in order. */
  readonly entries: readonly EntryRef[];
  /** Whether what every cursor has passed is deleted here and now. */
  readonly deletes: boolean;
  readonly at: number;
  /** How often the cursor had been moved back when this was read. */
  readonly replays: number;
}

/**
 * Moves a cursor over what was delivered and deletes what all have passed. False where the cursor was moved back
 * since that was read: nothing is settled then, it is delivered again.
 */
export function acknowledge(draft: Draft, ack: Acknowledgement): boolean {
  const stream = draft.stream(ack.kind);
  const cursor = stream.cursors.get(ack.shipper);
  if (cursor && timesReplayed(cursor) !== ack.replays) return false;
  if (cursor?.seq !== ack.after) {
    throw new Error(`the cursor ${ack.shipper} of ${ack.kind} is at ${cursor?.seq}, not at ${ack.after}`);
  }
  // Nothing that is in flight is removed, but a repair may not have found it: then it is counted already.
  const isLost = (entry: EntryRef) =>
    stream.notices.some(({ from, to }) => from <= entry.lastSeq && to >= entry.firstSeq);
  if (ack.entries.some(isLost))
    throw new Error(`what ${ack.shipper} of ${ack.kind} delivered was lost meanwhile`);
  let quarantineBytes = 0;
  for (const { seq, ...content } of ack.quarantined) {
    const value: PutAside = { ...content, at: ack.at };
    quarantineBytes += draft.put(keys.quarantine(ack.kind, ack.shipper, seq), value);
  }
  const counts = { delivered: ack.delivered, quarantined: ack.quarantined.length, quarantineBytes };
  draft.setCursor(stream, ack.shipper, settled(cursor, placeOf(stream, cursor, ack), counts, ack.at));
  const lowest = lowestCursor(stream);
  const [first] = ack.entries;
  // Only where nothing older is left: otherwise trimming goes through them in order.
  if (ack.deletes && first?.firstSeq === stream.head.seq + 1) {
    const passed = ack.entries.filter((entry) => entry.lastSeq <= lowest);
    for (const entry of passed) draft.delete(keys.entry(ack.kind, entry.lastSeq));
    const last = passed.at(-1);
    if (last) advanceHead(draft, stream, last.lastSeq, last.offset + last.size);
  }
  advanceHead(draft, stream, stream.head.seq, stream.head.offset);
  return true;
}

/** Takes records out of the quarantine that are appended again in the same commit. They stay counted as quarantined. */
export function takeBack(
  draft: Draft,
  kind: string,
  shipper: string,
  values: readonly { key: string; bytes: number }[],
): void {
  const stream = draft.stream(kind);
  for (const { key } of values) draft.delete(key);
  const cursor = stream.cursors.get(shipper);
  // One that was given up counts nothing any more.
  if (!cursor) return;
  const bytes = values.reduce((sum, value) => sum + value.bytes, 0);
  draft.setCursor(stream, shipper, resent(cursor, values.length, bytes));
}

/** Where the cursor goes: bytes count up to the last entry that it passes whole, and over the notices behind it. */
function placeOf(
  stream: StreamState,
  cursor: Cursor,
  { to, entries }: Acknowledgement,
): { seq: number; offset: number } {
  const whole = entries.findLast((entry) => entry.lastSeq <= to);
  const end = whole ? { seq: whole.lastSeq, offset: whole.offset + whole.size } : cursor;
  return { seq: to, offset: end.offset + noticedBytes(stream, end.seq) - noticedBytes(stream, to) };
}

/**
 * Moves the head forward, and on over notices that stand right behind it: nothing is stored under them. A notice
 * that every cursor has passed goes with the records in front of it: while they are kept, it explains the hole.
 */
function advanceHead(draft: Draft, stream: StreamState, seq: number, offset: number): void {
  // Never back: an eviction may have gone further while a trim was on its way.
  let head = seq > stream.head.seq ? { seq, offset } : stream.head;
  for (const notice of stream.notices) {
    if (notice.from > head.seq + 1) break;
    if (notice.to > head.seq) head = { seq: notice.to, offset: head.offset + notice.bytes };
  }
  if (head.seq !== stream.head.seq) draft.setHead(stream, head);
  const passed = Math.min(head.seq, lowestCursor(stream));
  draft.removeNotices(stream, (notice) => notice.to <= passed);
}

/** Whole entries to delete, undelivered ones among them. */
export interface Removal extends Range {
  readonly kind: string;
  readonly keys: readonly string[];
  /** Bytes of the stream's entries, ever, before the range and up to its end. */
  readonly startOffset: number;
  readonly endOffset: number;
  readonly reason: GapReason;
  readonly at: number;
}

/** What an eviction or a loss did, for events. */
export interface Removed {
  /** Records that each shipper had not passed. */
  readonly unsettled: ReadonlyMap<string, number>;
}

/**
 * Deletes a range of entries, counts what each cursor had not passed, and leaves a notice for it. A notice
 * beside it for the same reason is merged, unless a batch in flight holds it: its id is out already.
 */
export function remove(draft: Draft, removal: Removal, inFlight: readonly Range[]): Removed {
  const { kind, from, to, startOffset, endOffset, reason, at } = removal;
  const stream = draft.stream(kind);
  const atHead = from <= stream.head.seq + 1;
  const counts = new Map<string, number>();
  for (const [shipper, cursor] of stream.cursors) {
    counts.set(shipper, unsettled(cursor, removal));
    let next: Cursor = gone(cursor, [removal], reason);
    // The notice's bytes are those of the whole range: a cursor inside it must not count its part a second time.
    if (!atHead && cursor.seq >= from && cursor.seq < to) next = { ...next, offset: startOffset };
    if (next !== cursor) draft.setCursor(stream, shipper, next);
  }
  for (const key of removal.keys) draft.delete(key);
  // At the head, what every cursor has passed needs no notice. Behind records that are kept, it explains the hole.
  const noticeFrom = atHead ? Math.max(from, lowestCursor(stream) + 1) : from;
  if (noticeFrom <= to) {
    // Bytes in front of the head are not counted as stored any more, so the notice must not take them off again.
    const bytes = atHead ? 0 : endOffset - startOffset;
    addNotice(draft, stream, { from: noticeFrom, to, reason, at, bytes }, inFlight);
  }
  if (atHead) advanceHead(draft, stream, to, endOffset);
  return { unsettled: counts };
}

function addNotice(draft: Draft, stream: StreamState, notice: Notice, inFlight: readonly Range[]): void {
  // Nor where a cursor would then stand inside: it has delivered one part and counted that part's bytes.
  const divides = ({ seq }: Cursor, other: Notice) =>
    seq >= Math.min(other.from, notice.from) && seq < Math.max(other.to, notice.to);
  const merges = (other: Notice) =>
    other.reason === notice.reason &&
    (other.to + 1 === notice.from || notice.to + 1 === other.from) &&
    !inFlight.some((range) => range.from <= other.to && other.from <= range.to) &&
    ![...stream.cursors.values()].some((cursor) => divides(cursor, other));
  const merged = stream.notices.filter(merges).reduce<Notice>(
    (whole, other) => ({
      ...notice,
      from: Math.min(whole.from, other.from),
      to: Math.max(whole.to, other.to),
      bytes: whole.bytes + other.bytes,
    }),
    notice,
  );
  draft.removeNotices(stream, merges);
  draft.addNotice(stream, merged);
}

/** Deletes entries that every cursor has passed, from the head on. False where one was moved back since. */
export function trim(
  draft: Draft,
  kind: string,
  to: number,
  offset: number,
  entryKeys: readonly string[],
): boolean {
  const stream = draft.stream(kind);
  if (lowestCursor(stream) < to) return false;
  for (const key of entryKeys) draft.delete(key);
  advanceHead(draft, stream, to, offset);
  return true;
}

/** Gives a cursor that is not there yet its place: before the oldest record on disk. */
export function addCursor(draft: Draft, kind: string, shipper: string, at: number): void {
  const stream = draft.stream(kind);
  if (stream.cursors.has(shipper)) return;
  const { seq, offset } = stream.head;
  // What is gone from behind that record was gone before this cursor: it never was backlog.
  const cursor = stream.notices.reduce(
    (counted, notice) => gone(counted, [notice], notice.reason),
    newCursor(seq, offset, at),
  );
  draft.setCursor(stream, shipper, cursor);
}

/** Gives a cursor up; what only it was waiting for may go. Returns the records it had not passed. */
export function forget(draft: Draft, kind: string, shipper: string): number {
  const stream = draft.stream(kind);
  const cursor = stream.cursors.get(shipper);
  if (!cursor) return 0;
  const cursors = new Map(stream.cursors);
  cursors.delete(shipper);
  stream.cursors = cursors;
  draft.delete(keys.cursor(kind, shipper));
  // A stream is found at open by its cursors, head or notices: where this was the last of them, its records
  // would be overlooked, and their numbers given again.
  if (cursors.size === 0) draft.setHead(stream, stream.head);
  advanceHead(draft, stream, stream.head.seq, stream.head.offset);
  return stream.lastSeq - cursor.seq;
}
