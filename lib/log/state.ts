// What the log knows of itself in memory, and the draft of its next state. Pure: no I/O.
//
// One place mutates: an operation changes a draft; the draft is written; only then is it taken into
// memory. A draft that can't be written is thrown away whole.

import type { Gap } from '../records.js';
import type { Cursor } from './ledger.js';
import { keys, seal } from './keyspace.js';

/** A range that will not be delivered, as it is stored. `bytes` of entries went with it; not on the wire. */
export interface Notice extends Gap {
  readonly bytes: number;
}

/** Up to where entries were deleted: everything on disk is above `seq`; `offset` bytes came before it. */
export interface Head {
  readonly seq: number;
  readonly offset: number;
}

/** One stream. Parts are replaced, never changed, so that a draft may share them. */
export interface StreamState {
  readonly kind: string;
  /** The last seq ever given to a durable record. */
  lastSeq: number;
  /** Bytes of entries ever. */
  endOffset: number;
  head: Head;
  cursors: ReadonlyMap<string, Cursor>;
  /** Ascending and disjoint. */
  notices: readonly Notice[];
}

export type Streams = ReadonlyMap<string, Readonly<StreamState>>;

export function newStream(kind: string): StreamState {
  return { kind, lastSeq: 0, endOffset: 0, head: { seq: 0, offset: 0 }, cursors: new Map(), notices: [] };
}

/** Bytes of this stream's entries on disk: a subtraction, because offsets never restart. */
export function storedBytes(stream: StreamState): number {
  return stream.endOffset - stream.head.offset - noticedBytes(stream, stream.head.seq);
}

/** Bytes that went with the notices above a seq. */
export function noticedBytes(stream: StreamState, afterSeq: number): number {
  return stream.notices.reduce((sum, notice) => (notice.to > afterSeq ? sum + notice.bytes : sum), 0);
}

/** Bytes of entries that a cursor has not settled and that are still on disk. */
export function backlogBytes(stream: StreamState, cursor: Cursor): number {
  const from = Math.max(cursor.offset, stream.head.offset);
  return Math.max(0, stream.endOffset - from - noticedBytes(stream, Math.max(cursor.seq, stream.head.seq)));
}

/** The seq that every cursor has settled: nothing above it was delivered to all. */
export function lowestCursor(stream: StreamState): number {
  let lowest = stream.lastSeq;
  for (const cursor of stream.cursors.values()) lowest = Math.min(lowest, cursor.seq);
  return lowest;
}

/** The next state and the changes that make it durable, built by the operations of one commit. */
export class Draft {
  readonly #base: Streams;
  readonly #streams = new Map<string, StreamState>();
  readonly #changes = new Map<string, Buffer | undefined>();

  constructor(base: Streams) {
    this.#base = base;
  }

  /** What to write, each key once. */
  get changes(): ReadonlyMap<string, Buffer | undefined> {
    return this.#changes;
  }

  /** The streams with this draft's changes taken in. */
  get streams(): Streams {
    return new Map([...this.#base, ...this.#streams]);
  }

  /** The kinds that this draft changes. */
  get changedKinds(): string[] {
    return [...this.#streams.keys()];
  }

  /** The draft's own copy of a stream, made at the first call. */
  stream(kind: string): StreamState {
    let stream = this.#streams.get(kind);
    if (!stream) {
      stream = { ...(this.#base.get(kind) ?? newStream(kind)) };
      this.#streams.set(kind, stream);
    }
    return stream;
  }

  /** Returns the bytes of key and value. */
  put(key: string, content: unknown): number {
    const value = seal(key, content);
    this.#changes.set(key, value);
    return key.length + value.length;
  }

  /** For a value that is sealed already. */
  putSealed(key: string, value: Buffer): void {
    this.#changes.set(key, value);
  }

  delete(key: string): void {
    this.#changes.set(key, undefined);
  }

  setCursor(stream: StreamState, shipper: string, cursor: Cursor): void {
    stream.cursors = new Map(stream.cursors).set(shipper, cursor);
    this.put(keys.cursor(stream.kind, shipper), cursor);
  }

  setHead(stream: StreamState, head: Head): void {
    stream.head = head;
    this.put(keys.head(stream.kind), head);
  }

  addNotice(stream: StreamState, notice: Notice): void {
    const at = stream.notices.findIndex((other) => other.from > notice.from);
    stream.notices = stream.notices.toSpliced(at === -1 ? stream.notices.length : at, 0, notice);
    this.put(keys.notice(stream.kind, notice.to), notice);
  }

  removeNotices(stream: StreamState, which: (notice: Notice) => boolean): void {
    if (!stream.notices.some(which)) return;
    for (const notice of stream.notices) if (which(notice)) this.delete(keys.notice(stream.kind, notice.to));
    stream.notices = stream.notices.filter((notice) => !which(notice));
  }
}
