// From what waits to what is written: the appends of one commit, as entries. Knows no database.

import { crc32 } from 'node:zlib';
import { deflate } from './deflate.js';
import { encodeEntry, entrySize } from './entry.js';
import type { Piece } from './gzip.js';
import { LINE_BYTES, Lines } from './lines.js';
import type { Draft, StreamState } from './state.js';

/** Bytes of lines from which deflating pays for its hop to the thread pool. */
export const DEFLATE_BYTES_MIN = 32_768;
/** What deflating must save for the entry to be stored deflated: an eighth. */
const DEFLATED_SHARE_MAX = 7 / 8;

/** Records to append to one stream, in order. */
export interface Append {
  readonly kind: string;
  /** Each record as JSON. */
  readonly records: readonly string[];
}

/** Where an append's records are, once they are durable: the first of them; the others follow without a hole. */
export interface Appended {
  readonly writerId: string;
  readonly firstSeq: number;
}

/** An append that waits for its place. */
export interface Appending {
  readonly kind: string;
  /** As JSON: one record, as most are, or several in their order. */
  readonly records: string | readonly string[];
  /** As in `Appended`, as the commit that was last prepared has it. */
  writerId: string;
  firstSeq: number;
}

/**
 * Adds the records to the draft, as few entries as the bounds allow, and gives them their places. Deflates on the
 * thread pool, which is why it may take a turn; the draft must not change meanwhile.
 */
export function encodeAppends(
  draft: Draft,
  appends: readonly Appending[],
  writerId: string,
  now: number,
): void | Promise<void> {
  const groups = groupsOf(draft, appends, writerId);
  const pieces = groups.map(pieceOf);
  const write = (ready: readonly Piece[]) => {
    for (const [n, lines] of groups.entries()) addEntry(draft, lines, ready[n]!, now);
  };
  return pieces.some((piece) => piece instanceof Promise)
    ? Promise.all(pieces.map(async (piece) => await piece)).then(write)
    : write(pieces as Piece[]);
}

/** The lines of each entry. */
function groupsOf(draft: Draft, appends: readonly Appending[], writerId: string): Lines[] {
  const groups: Lines[] = [];
  const open = new Map<string, Lines>();
  const bytes = expectedBytes(appends);
  let stream: StreamState | undefined;
  let lines: Lines | undefined;
  const add = (to: StreamState, json: string) => {
    const seq = ++to.lastSeq;
    if (lines?.add(json)) return;
    lines = new Lines(writerId, to.kind, seq, bytes);
    lines.add(json);
    open.set(to.kind, lines);
    groups.push(lines);
  };
  for (const append of appends) {
    const { kind, records } = append;
    // Most come one behind the other in the same stream.
    if (stream?.kind !== kind) {
      stream = draft.stream(kind);
      lines = open.get(kind);
    }
    append.writerId = writerId;
    append.firstSeq = stream.lastSeq + 1;
    if (typeof records === 'string') add(stream, records);
    else for (const json of records) add(stream, json);
  }
  return groups;
}

function expectedBytes(appends: readonly Appending[]): number {
  let bytes = 0;
  for (const { records } of appends) {
    if (typeof records === 'string') bytes += records.length + LINE_BYTES;
    else for (const json of records) bytes += json.length + LINE_BYTES;
  }
  return bytes;
}

/** Never rejects: what can't be deflated, where memory is short most likely, is stored as it is. */
function pieceOf({ bytes }: Lines): Piece | Promise<Piece> {
  const plain: Piece = { codec: 0, stored: bytes, lineBytes: bytes.length, linesCrc: crc32(bytes) };
  if (bytes.length < DEFLATE_BYTES_MIN) return plain;
  return deflate(bytes).then(
    (stored) => (stored.length <= bytes.length * DEFLATED_SHARE_MAX ? { ...plain, codec: 1, stored } : plain),
    () => plain,
  );
}

function addEntry(draft: Draft, lines: Lines, piece: Piece, now: number): void {
  const { kind, lastSeq, count } = lines;
  const stream = draft.stream(kind);
  const { key, value } = encodeEntry(kind, lastSeq, count, now, stream.endOffset, piece);
  stream.endOffset += entrySize(key, value);
  draft.putSealed(key, value);
}
