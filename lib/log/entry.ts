// One entry: records of one stream that were committed together, as bytes. Pure: knows no database.
//
// Its lines are the records as NDJSON, exactly what goes on the wire, so that delivering is concatenation.

import { keys, seal, seqOfKey, unseal } from './keyspace.js';
import { crc32 } from 'node:zlib';
import type { Piece } from './gzip.js';
import { linesOf } from './gzip.js';

/** Records that one entry holds at most. */
export const ENTRY_RECORDS_MAX = 512;
/** Bytes of lines that one entry holds at most, unless a single record has more. */
export const ENTRY_LINE_BYTES_MAX = 262_144;

export interface Entry extends Piece {
  kind: string;
  firstSeq: number;
  lastSeq: number;
  count: number;
  /** Epoch ms, the wall clock as it was. */
  appendedAt: number;
  /** Bytes of this stream's entries before this one, ever. */
  offset: number;
  /** Bytes of this entry, key and value. */
  size: number;
}

type Stored = [
  codec: 0 | 1,
  appendedAt: number,
  offset: number,
  count: number,
  lineBytes: number,
  linesCrc: number,
  stored: Buffer,
];

/** An entry's key and value. */
export function encodeEntry(
  kind: string,
  lastSeq: number,
  count: number,
  appendedAt: number,
  offset: number,
  piece: Piece,
): { key: string; value: Buffer } {
  const key = keys.entry(kind, lastSeq);
  const { codec, lineBytes, linesCrc, stored } = piece;
  const content: Stored = [codec, appendedAt, offset, count, lineBytes, linesCrc, stored];
  return { key, value: seal(key, content) };
}

/** Bytes that a key and its value count for in offsets and budgets. Keys are ASCII. */
export function entrySize(key: string, value: Buffer): number {
  return key.length + value.length;
}

/** The entry of a stored value; `undefined` where the value is not what was written under this key. */
export function decodeEntry(kind: string, key: string, value: Buffer): Entry | undefined {
  const content = unseal(key, value) as Stored | undefined;
  if (content === undefined) return undefined;
  const [codec, appendedAt, offset, count, lineBytes, linesCrc, stored] = content;
  const lastSeq = seqOfKey(key);
  return {
    kind,
    firstSeq: lastSeq - count + 1,
    lastSeq,
    count,
    appendedAt,
    offset,
    size: entrySize(key, value),
    codec,
    stored,
    lineBytes,
    linesCrc,
  };
}

/** The part of an entry from one seq to another, both included, as a piece; `undefined` where its lines are damaged. */
export async function cutEntry(entry: Entry, from: number, to: number): Promise<Piece | undefined> {
  if (from === entry.firstSeq && to === entry.lastSeq) return entry;
  const lines = await linesOf(entry);
  if (lines === undefined) return undefined;
  const start = lineStart(lines, 0, from - entry.firstSeq);
  const cut = lines.subarray(start, lineStart(lines, start, to - from + 1));
  return { codec: 0, stored: cut, lineBytes: cut.length, linesCrc: crc32(cut) };
}

/** Where the line `count` lines after the one at `start` begins. */
function lineStart(lines: Buffer, start: number, count: number): number {
  let at = start;
  for (let n = 0; n < count; n++) at = lines.indexOf(0x0a, at) + 1;
  return at;
}
