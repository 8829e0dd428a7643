// Brings the streams of a repaired database back to where their ledgers add up: what can't be read is replaced
// by what the entries, the cursors and the mark tell, what should not be there is deleted, holes get notices.
//
// Three witnesses say what became of a record: the entries, what is stored; each cursor's value, in itself, how
// much in front of it was delivered, put aside or gone; the notices, what is gone behind it.

import type { Gap } from '../records.js';
import { decodeEntry } from './entry.js';
import { parseKey, sectionRange } from './keyspace.js';
import type { StreamMark, StreamMarks } from './mark.js';
import { rowsOf } from './open.js';
import { ReconcileWalk } from './reconcile-walk.js';
import { caughtUp, recount, withoutOverlaps } from './recount.js';
import type { SmallValues } from './small-values.js';
import { readSmallValues } from './small-values.js';
import type { StreamState } from './state.js';
import { Draft, lowestCursor, newStream, noticedBytes } from './state.js';
import type { Store } from './store.js';

/** A range that is given up. */
export type Loss = Gap & { readonly kind: string };

export interface ReconcileOptions {
  /** Where the streams stood when that was last known; the database may have gone further. */
  readonly marks: StreamMarks;
  /** Entries that were deleted may be back: what every cursor has passed then goes, also what was kept for replay. */
  readonly resurrected: boolean;
  /** Epoch ms. */
  readonly at: number;
}

export interface Reconciled {
  /** What is newly given up. */
  readonly lost: Loss[];
  /** What else is gone, for people. */
  readonly notes: string[];
}

/** Reads every entry. Nobody else may write meanwhile. */
export async function reconcile(store: Store, options: ReconcileOptions): Promise<Reconciled> {
  const { marks } = options;
  const values = await readSmallValues(store, marks);
  const lost: Loss[] = [];
  for (const kind of await kindsOf(store, [...values.streams.keys(), ...Object.keys(marks)])) {
    const draft = new Draft(new Map([[kind, values.streams.get(kind) ?? newStream(kind)]]));
    const gaps = await reconcileStream(store, draft, draft.stream(kind), marks[kind], options);
    lost.push(...gaps.map((gap) => ({ ...gap, kind })));
    await commitInParts(store, draft, values);
  }
  // What was not rewritten has nothing left to say.
  const useless = [...values.unreadable].map((key) => [key, undefined] as const);
  if (useless.length > 0) await store.commit(new Map(useless));
  return { lost, notes: values.notes };
}

async function kindsOf(store: Store, known: readonly string[]): Promise<Set<string>> {
  const kinds = new Set(known);
  const { gte: first, lt } = sectionRange('entry');
  for (let gte = first; ;) {
    const [key] = await store.scanKeys({ gte, lt }, 1);
    if (key === undefined) return kinds;
    const kind = parseKey(key)?.kind;
    if (kind) kinds.add(kind);
    gte = kind ? sectionRange('entry', kind).lt : `${key}\0`;
  }
}

/** One stream: see the top. Returns the ranges that are newly given up. */
async function reconcileStream(
  store: Store,
  draft: Draft,
  stream: StreamState,
  mark: StreamMark | undefined,
  { resurrected, at }: ReconcileOptions,
): Promise<Gap[]> {
  catchUp(draft, stream, at);
  // As they were when the cursors counted them.
  const counted = stream.notices;
  const walk = new ReconcileWalk(stream, resurrected, (key) => draft.delete(key));
  for await (const [key, value] of rowsOf(store, sectionRange('entry', stream.kind))) {
    walk.take(key, decodeEntry(stream.kind, key, value));
  }
  const cursors = [...stream.cursors.values()].map((cursor) => cursor.seq);
  stream.lastSeq = Math.max(walk.end.seq, mark?.lastSeq ?? 0, stream.notices.at(-1)?.to ?? 0, ...cursors);
  walk.missUpTo(stream.lastSeq);
  stream.endOffset = walk.end.offset + noticedBytes(stream, walk.end.seq);
  for (const hole of walk.holes) draft.addNotice(stream, { ...hole, reason: 'corrupt', at });
  draft.setHead(stream, walk.head ?? { seq: stream.lastSeq, offset: stream.endOffset });
  for (const [shipper, cursor] of stream.cursors) {
    const offset = walk.offsetOf(shipper) ?? stream.endOffset - noticedBytes(stream, cursor.seq);
    draft.setCursor(stream, shipper, { ...recount(stream, cursor, counted), offset });
  }
  const lowest = cursors.length === 0 ? 0 : lowestCursor(stream);
  draft.removeNotices(stream, (notice) => notice.to <= Math.min(stream.head.seq, lowest));
  // What every cursor has passed was delivered: the notice explains the hole, but nobody has lost anything.
  const given = walk.holes.map(({ from, to }) => ({ from: Math.max(from, lowest + 1), to }));
  return given.filter(({ from, to }) => from <= to).map((range) => ({ ...range, reason: 'corrupt', at }));
}

/** Notices one after another, and no cursor in front of what is deleted and not noticed. */
function catchUp(draft: Draft, stream: StreamState, at: number): void {
  const notices = withoutOverlaps(stream.notices);
  draft.removeNotices(stream, () => true);
  for (const notice of notices) draft.addNotice(stream, notice);
  for (const [shipper, cursor] of stream.cursors) {
    const { cursor: moved, forgotten } = caughtUp(stream, cursor);
    draft.setCursor(stream, shipper, moved);
    for (const gap of forgotten) draft.addNotice(stream, { ...gap, at, bytes: 0 });
  }
}

/** Keys changed in one commit at most: a repaired log may bring back any number of entries. */
const COMMIT_KEYS_MAX = 5000;

async function commitInParts(store: Store, draft: Draft, { unreadable }: SmallValues): Promise<void> {
  const deletes = [...draft.changes].filter(([, value]) => value === undefined);
  for (let n = 0; n < deletes.length; n += COMMIT_KEYS_MAX) {
    await store.commit(new Map(deletes.slice(n, n + COMMIT_KEYS_MAX)));
  }
  await store.commit(new Map([...draft.changes].filter(([, value]) => value !== undefined)));
  // What is written can be read again.
  for (const key of draft.changes.keys()) unreadable.delete(key);
}
