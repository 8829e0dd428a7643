// From what waits to what is written: the appends of one commit, as entries. Knows no database.

import { crc32 } from 'node:zlib';
import { recordLine } from '../records.js';
import type { Piece } from './gzip.js';
import { deflate } from './deflate.js';
import { ENTRY_LINE_BYTES_MAX, ENTRY_RECORDS_MAX, encodeEntry, entrySize } from './entry.js';
import type { Draft } from './state.js';

/** Bytes of lines from which deflating pays for its hop to the thread pool. */
export const DEFLATE_BYTES_MIN = 32_768;
/** Bytes that a line has beside its JSON, about: what a buffer for some of them is made with. */
const LINE_BYTES = 100;
/** What deflating must save for the entry to be stored deflated: an eighth. */
const DEFLATED_SHARE_MAX = 7 / 8;

/** Records to append to one stream, in order. */
export interface Append {
  readonly kind: string;
  /** Each record as JSON. */
  readonly records: readonly string[];
}

/** Where an append's records are, once they are durable. */
export interface Appended {
  readonly writerId: string;
  readonly firstSeq: number;
}

/** What becomes one entry: lines, one behind the other. */
class Group {
  readonly kind: string;
  lastSeq = 0;
  count = 0;
  bytes = 0;
  #lines: Buffer;

  /** `bytes`: what its lines may well have. */
  constructor(kind: string, bytes: number) {
    this.kind = kind;
    this.#lines = Buffer.allocUnsafe(Math.min(bytes, ENTRY_LINE_BYTES_MAX));
  }

  get lines(): Buffer {
    return this.#lines.subarray(0, this.bytes);
  }

  /**
   * Adds a line, unless it is full. Written at once: lines that wait as strings to be joined cost three times as
   * much.
   */
  add(line: string, seq: number): boolean {
    if (this.count === ENTRY_RECORDS_MAX) return false;
    const room = Math.min(this.#lines.length, ENTRY_LINE_BYTES_MAX) - this.bytes;
    // A UTF-16 unit is at most 3 bytes of UTF-8: most lines need no count.
    if (line.length * 3 > room) {
      const needed = this.bytes + Buffer.byteLength(line);
      if (this.count > 0 && needed > ENTRY_LINE_BYTES_MAX) return false;
      this.#reserve(needed);
    }
    this.bytes += this.#lines.write(line, this.bytes);
    this.count++;
    this.lastSeq = seq;
    return true;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#lines.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#lines.length * 2));
    larger.set(this.lines);
    this.#lines = larger;
  }
}

/**
 * Adds the appends' records to the draft, as few entries as the bounds allow, and gives every append its
 * seqs. Deflates on the thread pool, which is why it may take a turn; the draft must not change meanwhile.
 */
export function encodeAppends(
  draft: Draft,
  appends: readonly Append[],
  writerId: string,
  now: number,
): Appended[] | Promise<Appended[]> {
  const groups: Group[] = [];
  const open = new Map<string, Group>();
  let expected = 0;
  for (const { records } of appends) for (const json of records) expected += json.length + LINE_BYTES;
  const appended = appends.map(({ kind, records }): Appended => {
    const stream = draft.stream(kind);
    const firstSeq = stream.lastSeq + 1;
    for (const json of records) {
      const line = recordLine(writerId, kind, ++stream.lastSeq, json);
      if (open.get(kind)?.add(line, stream.lastSeq)) continue;
      const group = new Group(kind, expected);
      group.add(line, stream.lastSeq);
      open.set(kind, group);
      groups.push(group);
    }
    return { writerId, firstSeq };
  });
  const pieces = groups.map(pieceOf);
  const write = (ready: readonly Piece[]) => {
    for (const [n, group] of groups.entries()) addEntry(draft, group, ready[n]!, now);
    return appended;
  };
  return pieces.some((piece) => piece instanceof Promise)
    ? Promise.all(pieces.map(async (piece) => await piece)).then(write)
    : write(pieces as Piece[]);
}

/** Never rejects: what can't be deflated, where memory is short most likely, is stored as it is. */
function pieceOf(group: Group): Piece | Promise<Piece> {
  const { lines } = group;
  const plain: Piece = { codec: 0, stored: lines, lineBytes: lines.length, linesCrc: crc32(lines) };
  if (lines.length < DEFLATE_BYTES_MIN) return plain;
  return deflate(lines).then(
    (stored) => (stored.length <= lines.length * DEFLATED_SHARE_MAX ? { ...plain, codec: 1, stored } : plain),
    () => plain,
  );
}

function addEntry(draft: Draft, group: Group, piece: Piece, now: number): void {
  const stream = draft.stream(group.kind);
  const { key, value } = encodeEntry(group.kind, group.lastSeq, group.count, now, stream.endOffset, piece);
  stream.endOffset += entrySize(key, value);
  draft.putSealed(key, value);
}
