// From what waits to what is written: the appends of one commit, as entries. Knows no database.

import { crc32 } from 'node:zlib';
import { recordLine } from '../records.js';
import type { Piece } from './gzip.js';
import { deflatePiece } from './gzip.js';
import { ENTRY_LINE_BYTES_MAX, ENTRY_RECORDS_MAX, encodeEntry, entrySize } from './entry.js';
import type { Draft } from './state.js';

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

/** Where an append's records are, once they are durable. */
export interface Appended {
  readonly writerId: string;
  readonly firstSeq: number;
}

interface Group {
  kind: string;
  lastSeq: number;
  count: number;
  lines: string;
  bytes: number;
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
  const appended = appends.map(({ kind, records }): Appended => {
    const stream = draft.stream(kind);
    const firstSeq = stream.lastSeq + 1;
    for (const json of records) {
      const line = recordLine(writerId, kind, ++stream.lastSeq, json);
      const bytes = Buffer.byteLength(line);
      let group = open.get(kind);
      if (!group || group.count === ENTRY_RECORDS_MAX || group.bytes + bytes > ENTRY_LINE_BYTES_MAX) {
        group = { kind, lastSeq: 0, count: 0, lines: '', bytes: 0 };
        open.set(kind, group);
        groups.push(group);
      }
      group.lines += line;
      group.bytes += bytes;
      group.count++;
      group.lastSeq = stream.lastSeq;
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

function pieceOf(group: Group): Piece | Promise<Piece> {
  const lines = Buffer.from(group.lines);
  const plain: Piece = { codec: 0, stored: lines, lineBytes: lines.length, linesCrc: crc32(lines) };
  if (lines.length < DEFLATE_BYTES_MIN) return plain;
  return deflatePiece(lines).then((stored) =>
    stored.length <= lines.length * DEFLATED_SHARE_MAX ? { ...plain, codec: 1, stored } : plain,
  );
}

function addEntry(draft: Draft, group: Group, piece: Piece, now: number): void {
  const stream = draft.stream(group.kind);
  const { key, value } = encodeEntry(group.kind, group.lastSeq, group.count, now, stream.endOffset, piece);
  stream.endOffset += entrySize(key, value);
  draft.putSealed(key, value);
}
