// Removing records that are still wanted: by size or age, or because they can't be read. Turns a plan into
// ranges of whole entries, around what is in flight, and each range into one commit.

import type { StreamPolicy } from '../config.js';
import type { WalEvent } from '../events.js';
import type { GapReason } from '../records.js';
import type { Entry } from './entry.js';
import { decodeEntry, entrySize } from './entry.js';
import { entriesAfter, keys, seqOfKey } from './keyspace.js';
import type { Range } from './ledger.js';
import type { Removal } from './operations.js';
import { remove } from './operations.js';
import type { Damage } from './read.js';
import type { Evictable } from './rehearsal.js';
import type { Holding } from './retention.js';
import { nextStep } from './retention.js';
import { entryAfter, lastSeqWithin, likelySeqAt, offsetAfter, offsetThrough } from './seek.js';
import type { Draft, StreamState } from './state.js';
import { lowestCursor, noticedBytes, storedBytes } from './state.js';
import { DELETES_MAX } from './trim.js';

/** One range that was removed. */
export interface Eviction extends Range {
  readonly kind: string;
  readonly reason: GapReason;
  readonly records: number;
  /** Of `records`, those that not every cursor had passed. */
  readonly dropped: number;
  readonly bytes: number;
  /** Records that each shipper had not passed. */
  readonly unsettled: ReadonlyMap<string, number>;
}

/** What an eviction has to tell: to each shipper that had not passed all of it. */
export function droppedEvents({ kind, from, to, reason, unsettled }: Eviction): WalEvent[] {
  return [...unsettled]
    .filter(([, records]) => records > 0)
    .map(([shipper, records]) => ({ type: 'dropped', kind, shipper, from, to, records, reason }));
}

/** What to evict down to. */
export interface EvictBounds {
  /** Only this stream; all of them together where it is left out. */
  readonly kind?: string | undefined;
  readonly bytesMax: number;
}

/**
 * Evicts down to bounds, as `nextStep` chooses. Calls `onEvicted` after each commit. Undelivered records of a
 * `reject` stream stay, so the bounds may not be reached.
 */
export async function evictToBounds(
  log: Evictable,
  whenFull: (kind: string) => StreamPolicy['whenFull'],
  bounds: EvictBounds,
  reason: GapReason,
  onEvicted: (eviction: Eviction) => void,
): Promise<void> {
  await log.claims.inTurn(async () => {
    // Streams that had nothing to give: an entry that is partly in flight, or damaged. The others must not wait for it.
    const stuck: Stuck = { delivered: new Set(), all: new Set() };
    // What is appended meanwhile is for the next eviction: under steady traffic, this one might never end.
    const ends = new Map([...log.streams.values()].map(({ kind, lastSeq }) => [kind, lastSeq]));
    for (;;) {
      const streams = [...log.streams.values()].filter(({ kind }) => (bounds.kind ?? kind) === kind);
      const holdings = await Promise.all(
        streams.map((stream) => holdingOf(log, stream, whenFull(stream.kind), stuck)),
      );
      const step = nextStep(holdings, bounds.bytesMax);
      if (!step) return;
      const stream = log.stream(step.kind);
      const end = Math.min(evictableTo(stream, step.undelivered), ends.get(step.kind) ?? 0);
      const to = Math.min(await seqToFree(log, stream, step.bytes), end);
      const evictions = await removeThrough(log, step.kind, to, reason);
      if (evictions.length === 0) stuck[step.undelivered ? 'all' : 'delivered'].add(step.kind);
      for (const eviction of evictions) onEvicted(eviction);
    }
  });
}

/** Kinds of which no delivered records can go, or none at all. */
interface Stuck {
  readonly delivered: Set<string>;
  readonly all: Set<string>;
}

/** Removes what was appended before a moment (epoch ms): all of it, or only what every cursor has passed. */
export async function evictOlder(
  log: Evictable,
  kind: string,
  appendedBefore: number,
  undelivered: boolean,
): Promise<Eviction[]> {
  return await log.claims.inTurn(async () => {
    const stream = log.stream(kind);
    const old = await lastSeqWithin(log.store, stream, (entry) => entry.appendedAt < appendedBefore);
    return await removeThrough(log, kind, Math.min(old, evictableTo(stream, undelivered)), 'age');
  });
}

/** The last seq that may go from a stream: all of it, or only what every cursor has passed. */
function evictableTo(stream: StreamState, undelivered: boolean): number {
  return undelivered ? stream.lastSeq : lowestCursor(stream);
}

async function holdingOf(
  log: Evictable,
  stream: StreamState,
  whenFull: StreamPolicy['whenFull'],
  stuck: Stuck,
): Promise<Holding> {
  const { kind, head } = stream;
  const first = await entryAfter(log.store, kind, head.seq);
  const delivered = (await offsetAfter(log.store, stream, lowestCursor(stream))) - head.offset;
  let heldBytes = 0;
  for (const range of log.claims.inFlight(kind)) heldBytes += await bytesOf(log, stream, range);
  const hasDelivered = lowestCursor(stream) > head.seq && !stuck.delivered.has(kind);
  return {
    kind,
    whenFull,
    storedBytes: storedBytes(stream),
    deliveredBytes: hasDelivered ? Math.max(0, delivered) : 0,
    heldBytes: stuck.all.has(kind) ? Infinity : heldBytes,
    oldestAt: first?.appendedAt ?? Infinity,
  };
}

/** Bytes of a range's entries that are stored: what went behind it, or in its midst, is not. */
async function bytesOf(log: Evictable, stream: StreamState, { from, to }: Range): Promise<number> {
  const start = await entryAfter(log.store, stream.kind, from - 1);
  if (!start || start.firstSeq > to) return 0;
  const end = await offsetThrough(log.store, stream, to);
  const gone = noticedBytes(stream, start.lastSeq) - noticedBytes(stream, to);
  return Math.max(0, end - start.offset - gone);
}

/** How far to go to free so many bytes: what is in flight and what went before frees nothing. At least one entry. */
async function seqToFree(log: Evictable, stream: StreamState, bytes: number): Promise<number> {
  const inFlight = log.claims.inFlight(stream.kind);
  const held = await Promise.all(
    inFlight.map(async (range) => ({ range, size: await bytesOf(log, stream, range) })),
  );
  const goneBytes = noticedBytes(stream, stream.head.seq);
  const freeing = (entry: Entry) => {
    const heldBefore = held.reduce((sum, { range, size }) => sum + (range.to < entry.firstSeq ? size : 0), 0);
    const goneBefore = goneBytes - noticedBytes(stream, entry.firstSeq);
    return entry.offset + entry.size - stream.head.offset - heldBefore - goneBefore;
  };
  const isWithin = (entry: Entry) => freeing(entry) < bytes;
  let last = await lastSeqWithin(log.store, stream, isWithin, likelySeqAt(stream, bytes));
  // And the next one that nobody holds, so that it is enough, and at least one.
  for (;;) {
    const next = await entryAfter(log.store, stream.kind, last);
    if (!next) return last;
    const holder = inFlight.find((range) => range.from <= next.lastSeq && next.firstSeq <= range.to);
    last = Math.max(next.lastSeq, holder?.to ?? 0);
    if (!holder) return last;
  }
}

/**
 * Removes whole entries from the head of a stream up to a seq, but what is in flight. One commit for at most
 * 5,000 entries. Returns what went; nothing where all of it is in flight or gone.
 */
async function removeThrough(
  log: Evictable,
  kind: string,
  seq: number,
  reason: GapReason,
): Promise<Eviction[]> {
  const evictions: Eviction[] = [];
  for (let after = 0; ;) {
    // Looked at anew each time: while one commit was on its way, batches may have come and gone.
    const removals = log.claims.removals(kind);
    const free = freeRanges(log.stream(kind), log.claims, seq).find(({ to }) => to > after);
    if (!free) return evictions;
    const from = Math.max(free.from, after + 1);
    const eviction = await evictRange(log, kind, { from, to: free.to }, reason, removals);
    if (eviction) evictions.push(eviction);
    after = eviction?.to ?? free.to;
  }
}

/** What is behind the head, up to a seq, and neither under a notice nor in flight; ascending. */
function freeRanges(stream: StreamState, claims: Evictable['claims'], upTo: number): Range[] {
  let free: Range[] = [{ from: stream.head.seq + 1, to: Math.min(upTo, stream.lastSeq) }];
  for (const taken of [...stream.notices, ...claims.inFlight(stream.kind)]) {
    free = free.flatMap((range) => [
      { from: range.from, to: Math.min(range.to, taken.from - 1) },
      { from: Math.max(range.from, taken.to + 1), to: range.to },
    ]);
    free = free.filter((range) => range.from <= range.to);
  }
  return free;
}

/** Removes the whole entries of a free range, as many as one commit takes. */
async function evictRange(
  log: Evictable,
  kind: string,
  range: Range,
  reason: GapReason,
  removals: number,
): Promise<Eviction | undefined> {
  // An entry may begin in front of the range, in a batch in flight: then only what lies behind it is free.
  const first = await entryAfter(log.store, kind, range.from - 1);
  const from = first && first.firstSeq < range.from ? first.lastSeq + 1 : range.from;
  const found = await log.store.scanKeys(
    { gte: entriesAfter(kind, from - 1).gte, lt: keys.entry(kind, range.to + 1) },
    DELETES_MAX,
  );
  const last = found.at(-1);
  if (last === undefined) return undefined;
  return await removeRange(log, { kind, from, to: seqOfKey(last), keys: found, reason }, removals);
}

/**
 * Gives damaged seqs up for lost, with a notice in their place, and what else went with them: damage found behind
 * a cursor may begin in the midst of an entry. `removals`: how many there were before it was read. `undefined`
 * where a batch holds part of it, or where it went otherwise meanwhile: then it is to be read again.
 */
export async function lose(
  log: Evictable,
  kind: string,
  damage: Damage,
  removals = log.claims.removals(kind),
): Promise<Eviction | undefined> {
  const { to, keys: damagedKeys } = damage;
  const from = await holeStart(log, log.stream(kind), damage.from);
  const loss = { kind, to, keys: damagedKeys, reason: 'corrupt' } as const;
  return (
    (await removeRange(log, { ...loss, from }, removals)) ??
    // The part in front may be in flight: it was read while it was sound.
    (await removeRange(log, { ...loss, from: damage.from }, removals))
  );
}

/** The first seq of the hole that holds a seq: behind the last entry, notice or head before it. */
async function holeStart(log: Evictable, { kind, head, notices }: StreamState, seq: number): Promise<number> {
  const range = { gte: entriesAfter(kind, head.seq).gte, lt: keys.entry(kind, seq) };
  const [row] = await log.store.scan(range, { reverse: true, limit: 1 });
  const noticed = notices.findLast(({ to }) => to < seq)?.to ?? 0;
  return Math.max(head.seq, noticed, row ? seqOfKey(row[0]) : 0) + 1;
}

async function removeRange(
  log: Evictable,
  range: Omit<Removal, 'startOffset' | 'endOffset' | 'at'>,
  removals: number,
): Promise<Eviction | undefined> {
  const { kind, from, to, reason } = range;
  if (!log.claims.remove(kind, range, removals)) return undefined;
  try {
    const stream = log.stream(kind);
    const startOffset = await endBefore(log, stream, from);
    const endOffset = Math.max(startOffset, await offsetThrough(log.store, stream, to));
    const removal: Removal = { ...range, startOffset, endOffset, at: log.clock.now() };
    const removed = await log.change(
      (draft) => (isGone(draft, removal) ? undefined : remove(draft, removal, log.claims.inFlight(kind))),
      range.keys.length + 4,
    );
    if (!removed) return undefined;
    const { unsettled } = removed;
    const dropped = Math.max(0, ...unsettled.values());
    const bytes = endOffset - startOffset;
    return { kind, from, to, reason, records: to - from + 1, dropped, bytes, unsettled };
  } finally {
    log.claims.removed(kind, range);
  }
}

/** Part of a range went while its removal was on its way: a repair has counted it. */
function isGone(draft: Draft, { kind, from, to }: Removal): boolean {
  const { head, notices } = draft.stream(kind);
  return to <= head.seq || notices.some((notice) => notice.from <= to && from <= notice.to);
}

/** Damaged entries to step over in search of a sound one. */
const DAMAGED_MAX = 64;

/** Bytes of a stream's entries, ever, up to and with the last one before a seq. */
export async function endBefore(log: Evictable, stream: StreamState, seq: number): Promise<number> {
  const { kind, head } = stream;
  if (seq === head.seq + 1) return head.offset;
  const range = { gte: entriesAfter(kind, head.seq).gte, lt: keys.entry(kind, seq) };
  let end = head;
  // What is damaged does not say where it begins, but how long it is.
  let damagedBytes = 0;
  for (let n = 0; n < DAMAGED_MAX; n++) {
    const [row] = await log.store.scan(range, { reverse: true, limit: 1 });
    const entry = row && decodeEntry(kind, ...row);
    if (entry) end = { seq: entry.lastSeq, offset: entry.offset + entry.size };
    if (!row || entry) break;
    damagedBytes += entrySize(...row);
    range.lt = row[0];
  }
  return end.offset + damagedBytes + noticedBytes(stream, end.seq) - noticedBytes(stream, seq);
}
