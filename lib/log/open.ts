// What is known of a log at open: its identity, and where every stream stands. Reads a few keys a stream;
// nothing is scanned or counted, so that a large log opens as fast as an empty one.

import { randomBytes } from 'node:crypto';
import { WalError } from '../errors.js';
import { decodeEntry } from './entry.js';
import type { KeyRange } from './keyspace.js';
import { FORMAT, keys, parseKey, sectionRange, seqOfKey, unsealOrThrow } from './keyspace.js';
import type { Cursor } from './ledger.js';
import type { Head, Notice, StreamState } from './state.js';
import { Draft, newStream, noticedBytes } from './state.js';
import type { Store, StoreSnapshot } from './store.js';

/** What a log is called, by itself. */
export interface LogIdentity {
  readonly logId: string;
  readonly service: string;
  readonly instance: string;
  /** Epoch ms. */
  readonly created: number;
}

/** 32 characters, none of them easily mistaken for another. */
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 16 characters of Crockford base32 from 80 random bits: new at every open, so that no id comes twice. */
export function newId(): string {
  let bits = BigInt(`0x${randomBytes(10).toString('hex')}`);
  let id = '';
  for (let n = 0; n < 16; n++, bits >>= 5n) id += CROCKFORD[Number(bits & 31n)];
  return id;
}

/**
 * The identity of a log, or `undefined` where the database is new.
 *
 * @throws {WalError} `WAL_CORRUPT`.
 */
export async function readIdentity(store: Store): Promise<LogIdentity | undefined> {
  const read = async <T>(name: Parameters<typeof keys.meta>[0]): Promise<T | undefined> => {
    const value = await store.get(keys.meta(name));
    return value && unsealOrThrow<T>(keys.meta(name), value);
  };
  // What format it is, and whether that is this version's, was looked at before: see migrate.ts.
  if ((await read('format')) === undefined) return undefined;
  const [logId, service, instance, created] = await Promise.all([
    read<string>('logId'),
    read<string>('service'),
    read<string>('instance'),
    read<number>('created'),
  ]);
  if (!logId || !service || !instance || created === undefined) {
    throw new WalError('WAL_CORRUPT', 'the log does not say whose it is: a key of meta is missing');
  }
  return { logId, service, instance, created };
}

/** Gives a new database its identity, in one commit. */
export async function writeIdentity(store: Store, identity: LogIdentity): Promise<void> {
  const draft = new Draft(new Map());
  draft.put(keys.meta('format'), FORMAT);
  for (const name of ['logId', 'service', 'instance', 'created'] as const) {
    draft.put(keys.meta(name), identity[name]);
  }
  await store.commit(draft.changes);
}

/** Rows of heads, cursors or notices read at once. */
const ROWS = 1000;

/** Where every stream stands that has anything on disk. */
export async function loadStreams(store: Store, snapshot?: StoreSnapshot): Promise<Map<string, StreamState>> {
  const streams = new Map<string, StreamState>();
  const stream = (kind: string) => {
    const known = streams.get(kind) ?? newStream(kind);
    streams.set(kind, known);
    return known;
  };
  for await (const [key, value] of rowsOf(store, sectionRange('head'), snapshot)) {
    const kind = parseKey(key)?.kind ?? '';
    stream(kind).head = unsealOrThrow<Head>(key, value);
  }
  for await (const [key, value] of rowsOf(store, sectionRange('cursor'), snapshot)) {
    const { kind, name } = parseKey(key) ?? { kind: '', name: '' };
    const known = stream(kind);
    known.cursors = new Map(known.cursors).set(name, unsealOrThrow<Cursor>(key, value));
  }
  for await (const [key, value] of rowsOf(store, sectionRange('notice'), snapshot)) {
    const known = stream(parseKey(key)?.kind ?? '');
    known.notices = [...known.notices, unsealOrThrow<Notice>(key, value)];
  }
  for (const known of streams.values()) await loadEnd(store, known, snapshot);
  return streams;
}

/** Damaged entries at the end of a stream to look behind for a sound one, and seqs that one of them may hold. */
const DAMAGED_MAX = 64;
const ENTRY_SEQS_MAX = 512;

/**
 * The end of a stream: of its last sound entry and what damaged ones behind it may hold by their keys, or, where
 * all is delivered and deleted, of what its head, cursors and notices know.
 */
async function loadEnd(store: Store, stream: StreamState, snapshot?: StoreSnapshot): Promise<void> {
  let end: Head = stream.head;
  let damagedTo = 0;
  let range = sectionRange('entry', stream.kind);
  for (let n = 0; n < DAMAGED_MAX; n++) {
    const [row] = await store.scan(range, { reverse: true, limit: 1, ...(snapshot && { snapshot }) });
    const entry = row && decodeEntry(stream.kind, ...row);
    if (entry) end = { seq: entry.lastSeq, offset: entry.offset + entry.size };
    if (!row || entry) break;
    damagedTo = Math.max(damagedTo, seqOfKey(row[0]) || 0);
    range = { gte: range.gte, lt: row[0] };
  }
  // The key of a damaged entry may be damaged, too: a number that nothing leads up to is none.
  if (damagedTo > end.seq + DAMAGED_MAX * ENTRY_SEQS_MAX) damagedTo = 0;
  const cursors = [...stream.cursors.values()].map((cursor) => cursor.seq);
  stream.lastSeq = Math.max(end.seq, damagedTo, ...cursors, stream.notices.at(-1)?.to ?? 0);
  stream.endOffset = end.offset + noticedBytes(stream, end.seq);
}

export async function* rowsOf(
  store: Store,
  range: KeyRange,
  snapshot?: StoreSnapshot,
): AsyncGenerator<[key: string, value: Buffer]> {
  let { gte } = range;
  for (;;) {
    const rows = await store.scan({ gte, lt: range.lt }, { limit: ROWS, ...(snapshot && { snapshot }) });
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    gte = `${last[0]}\0`;
  }
}
