// A log whose database is damaged: set aside, repaired, and brought back to where all of its promises hold.
// Nothing is ever wiped; what is gone is counted; what was delivered is not called lost.
//
// `repair` brings back what is left, and more: deleted entries and, by `get`, cursors that were overwritten. So
// everything is compacted before the first read, and what every cursor has passed is deleted again.

import { link, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Gap } from '../records.js';
import type { Entry } from './entry.js';
import { decodeEntry } from './entry.js';
import { databaseFolder, isFolder, syncFolder } from './folder.js';
import { parseKey, sectionRange, unseal } from './keyspace.js';
import type { Cursor } from './ledger.js';
import { backlogOf, newCursor, settled } from './ledger.js';
import { rowsOf } from './open.js';
import type { Head, Notice, StreamState } from './state.js';
import { Draft, newStream, noticedBytes } from './state.js';
import type { Store } from './store.js';
import { openStore, repairStore } from './store.js';

/** A range that is given up. */
export type Loss = Gap & { readonly kind: string };

/** What LevelDB says of a database that it can't read, as against one that it may not or can't now. */
export function isDamage(message: string): boolean {
  return /corruption|missing files|no such file|does not exist|not a.*file|bad|invalid/i.test(message);
}

/**
 * Sets a copy of the database aside and repairs the original, in a way that can be interrupted and called again.
 * Returns the open database and the copy's folder.
 */
export async function repair(dir: string, clock: Clock): Promise<{ store: Store; copy: string }> {
  const database = databaseFolder(dir);
  const copy = join(dir, `db.damaged-${clock.now()}`);
  await copyByLinks(database, copy);
  await repairStore(database);
  const store = await openStore(database, false);
  try {
    // Before any read: until then old values of overwritten keys may come back.
    await store.compact({ gte: '!', lt: '"' });
    const leftovers = join(database, 'lost');
    if (await isFolder(leftovers)) await rename(leftovers, join(copy, 'lost'));
  } catch (error) {
    await store.close();
    throw error;
  }
  return { store, copy };
}

/** Hard links: no room is needed, and LevelDB never changes a table in place. LOCK stays: touching it drops locks. */
async function copyByLinks(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isFile() && entry.name !== 'LOCK') await link(join(from, entry.name), join(to, entry.name));
  }
  await syncFolder(to);
}

/**
 * Brings every stream back to where its ledger adds up: unreadable small values are replaced by what the
 * entries tell, entries that should not be there are deleted, holes get notices, and each cursor's `lost`
 * takes what is missing. Reads every entry. `marked`: the last seqs that are known to have been given.
 */
export async function reconcile(
  store: Store,
  marked: Readonly<Record<string, number>>,
  clock: Clock,
): Promise<Loss[]> {
  const lost: Loss[] = [];
  const { streams, bad } = await readSmallValues(store);
  for (const kind of await kindsOf(store, [...streams.keys(), ...Object.keys(marked)])) {
    const stream = streams.get(kind) ?? newStream(kind);
    const draft = new Draft(new Map([[kind, stream]]));
    const gaps = await reconcileStream(store, draft, kind, marked[kind] ?? 0, clock.now());
    lost.push(...gaps.map((gap) => ({ ...gap, kind })));
    if (draft.changes.size > 0) await commitInParts(store, draft);
  }
  // What was not rewritten above has nothing left to say.
  const useless: string[] = [];
  for (const key of bad) {
    const value = await store.get(key);
    if (value && unseal(key, value) === undefined) useless.push(key);
  }
  if (useless.length > 0) await store.commit(new Map(useless.map((key) => [key, undefined] as const)));
  return lost;
}

/** Heads, cursors and notices that can be read, and the keys of those that can't. */
async function readSmallValues(
  store: Store,
): Promise<{ streams: Map<string, StreamState>; bad: Set<string> }> {
  const streams = new Map<string, StreamState>();
  const bad = new Set<string>();
  for (const section of ['head', 'cursor', 'notice'] as const) {
    for await (const [key, value] of rowsOf(store, sectionRange(section))) {
      const { kind, name } = parseKey(key) ?? { kind: '', name: '' };
      const content = unseal(key, value);
      if (content === undefined || kind === '') {
        bad.add(key);
        continue;
      }
      const stream = streams.get(kind) ?? newStream(kind);
      streams.set(kind, stream);
      if (section === 'head') stream.head = content as Head;
      else if (section === 'cursor') stream.cursors = new Map(stream.cursors).set(name, content as Cursor);
      else stream.notices = [...stream.notices, content as Notice];
    }
  }
  // A cursor that can't be read is given a new place below; until then it must not be missing.
  for (const key of bad) {
    const { section, kind, name } = parseKey(key) ?? { section: '', kind: '', name: '' };
    const stream = streams.get(kind) ?? newStream(kind);
    if (section !== 'cursor' || kind === '') continue;
    streams.set(kind, stream);
    stream.cursors = new Map(stream.cursors).set(name, newCursor(stream.head.seq, stream.head.offset, 0));
  }
  return { streams, bad };
}

async function kindsOf(store: Store, known: readonly string[]): Promise<Set<string>> {
  const kinds = new Set(known);
  let { gte } = sectionRange('entry');
  for (;;) {
    const [key] = await store.scanKeys({ gte, lt: sectionRange('entry').lt }, 1);
    const kind = key === undefined ? undefined : parseKey(key)?.kind;
    if (key === undefined) return kinds;
    if (kind) kinds.add(kind);
    gte = kind ? sectionRange('entry', kind).lt : `${key}\0`;
  }
}

/** One stream: see `reconcile`. Returns the ranges that are newly given up. */
async function reconcileStream(
  store: Store,
  draft: Draft,
  kind: string,
  marked: number,
  at: number,
): Promise<Gap[]> {
  const stream = draft.stream(kind);
  catchUp(draft, stream, at);
  const walk = new Walk(stream, (key) => draft.delete(key));
  for await (const [key, value] of rowsOf(store, sectionRange('entry', kind))) {
    walk.take(key, decodeEntry(kind, key, value));
  }
  const cursorSeqs = [...stream.cursors.values()].map((cursor) => cursor.seq);
  stream.lastSeq = Math.max(walk.next - 1, marked, stream.notices.at(-1)?.to ?? 0, ...cursorSeqs);
  walk.missUpTo(stream.lastSeq);
  stream.endOffset = walk.end.offset + noticedBytes(stream, walk.end.seq);
  const gaps: Gap[] = walk.holes.map(({ from, to }) => ({ from, to, reason: 'corrupt', at }));
  for (const [n, gap] of gaps.entries()) draft.addNotice(stream, { ...gap, bytes: walk.holes[n]!.bytes });
  draft.setHead(stream, walk.head ?? { seq: stream.lastSeq, offset: stream.endOffset });
  for (const [shipper, cursor] of stream.cursors) {
    const missing = backlogOf(cursor, stream.lastSeq) - (walk.backlog.get(shipper) ?? 0);
    draft.setCursor(stream, shipper, { ...balanced(cursor, missing), at });
  }
  return gaps;
}

/**
 * Moves cursors that are older than the head up to it: what was deleted without a notice, every cursor had
 * passed, so it was delivered.
 */
function catchUp(draft: Draft, stream: StreamState, at: number): void {
  const { head } = stream;
  for (const [shipper, cursor] of stream.cursors) {
    const noticed = stream.notices.some(({ from, to }) => to > cursor.seq && from <= head.seq);
    if (cursor.seq >= head.seq || noticed) continue;
    const counts = { delivered: head.seq - cursor.seq, quarantined: 0, quarantineBytes: 0 };
    draft.setCursor(stream, shipper, settled(cursor, head, counts, at));
  }
}

/** The cursor with what is missing counted as lost; what came back is not gone any more. */
function balanced(cursor: Cursor, missing: number): Cursor {
  if (missing >= 0) {
    const corrupt = (cursor.gone.corrupt ?? 0) + missing;
    return { ...cursor, lost: cursor.lost + missing, gone: { ...cursor.gone, corrupt } };
  }
  const fromDropped = Math.min(cursor.dropped, -missing);
  const fromLost = Math.min(cursor.lost, -missing - fromDropped);
  return {
    ...cursor,
    dropped: cursor.dropped - fromDropped,
    lost: cursor.lost - fromLost,
    delivered: Math.max(0, cursor.delivered + missing + fromDropped + fromLost),
  };
}

/** A stream's entries from the bottom: deletes what is damaged, delivered, or under a notice, and finds the holes. */
class Walk {
  readonly holes: { from: number; to: number; bytes: number }[] = [];
  /** By cursor: records above its position. */
  readonly backlog = new Map<string, number>();
  /** In front of the first entry that stays. */
  head: Head | undefined;
  /** Behind the last entry that stays. */
  end: Head;
  next: number;
  readonly #stream: StreamState;
  readonly #lowest: number;
  readonly #remove: (key: string) => void;

  constructor(stream: StreamState, remove: (key: string) => void) {
    this.#stream = stream;
    this.#remove = remove;
    const seqs = [...stream.cursors.values()].map((cursor) => cursor.seq);
    this.#lowest = seqs.length > 0 ? Math.min(...seqs) : 0;
    this.next = Math.max(this.#lowest, stream.head.seq) + 1;
    this.end = stream.head;
    for (const shipper of stream.cursors.keys()) this.backlog.set(shipper, 0);
  }

  take(key: string, entry: Entry | undefined): void {
    if (!entry || entry.lastSeq < this.next || this.#isNoticed(entry)) return this.#remove(key);
    const holes = this.holes.length;
    this.missUpTo(entry.firstSeq - 1);
    const hole = this.holes[holes];
    if (hole && this.head) {
      const noticed = noticedBytes(this.#stream, this.end.seq) - noticedBytes(this.#stream, entry.lastSeq);
      hole.bytes = Math.max(0, entry.offset - this.end.offset - noticed);
    }
    this.head ??= { seq: entry.firstSeq - 1, offset: entry.offset };
    this.end = { seq: entry.lastSeq, offset: entry.offset + entry.size };
    this.next = entry.lastSeq + 1;
    for (const [shipper, cursor] of this.#stream.cursors) {
      const behind = Math.max(0, entry.lastSeq - Math.max(cursor.seq, entry.firstSeq - 1));
      this.backlog.set(shipper, this.backlog.get(shipper)! + behind);
    }
  }

  /** Nothing is stored up to a seq: notices stand for some of it, the rest are holes. */
  missUpTo(seq: number): void {
    while (this.next <= seq) {
      const notice = this.#stream.notices.find(({ from, to }) => from <= this.next && to >= this.next);
      const following = this.#stream.notices.find(({ from }) => from > this.next);
      const to = notice?.to ?? Math.min(seq, (following?.from ?? Infinity) - 1);
      if (!notice) this.holes.push({ from: this.next, to, bytes: 0 });
      this.next = to + 1;
    }
  }

  #isNoticed(entry: Entry): boolean {
    return this.#stream.notices.some(({ from, to }) => from <= entry.firstSeq && to >= entry.lastSeq);
  }
}

/** Keys changed in one commit at most: a repaired log may bring back any number of entries. */
const COMMIT_KEYS_MAX = 5000;

/** Deletes first: a crash in between only leaves less to do. Small values last, and together. */
async function commitInParts(store: Store, draft: Draft): Promise<void> {
  const deletes = [...draft.changes].filter(([, value]) => value === undefined);
  for (let n = 0; n < deletes.length; n += COMMIT_KEYS_MAX) {
    await store.commit(new Map(deletes.slice(n, n + COMMIT_KEYS_MAX)));
  }
  await store.commit(new Map([...draft.changes].filter(([, value]) => value !== undefined)));
}
