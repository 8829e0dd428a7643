// The format of LevelDB's `.log` and MANIFEST files: frames of at most a block, that make up records. Pure.
//
// LevelDB itself drops a damaged `.log` frame and the rest of its block without a word, and goes on behind it.

import { maskedCrc } from './checksum.js';

const BLOCK_BYTES = 32_768;
/** Checksum, length, type. */
const HEADER_BYTES = 7;
const TYPES = { zero: 0, full: 1, first: 2, middle: 3, last: 4 } as const;
/** None of LevelDB's types: it steps over a frame of a type that it does not know, and goes on behind it. */
const SKIPPED = 64;

/** A part of a file, `end` excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Framed {
  /** What is sound, in order. */
  readonly records: Buffer[];
  /** Frames that are not what was written, with something sound behind them. At the end of a file, they are a write that a crash cut off. */
  readonly damaged: Span[];
  /** Where the last sound frame ends. */
  readonly end: number;
}

/** The records of a file, and what is wrong with it. */
export function readFrames(file: Buffer): Framed {
  const records: Buffer[] = [];
  const damaged: Span[] = [];
  let unsure: Span[] = [];
  let parts: Buffer[] | undefined;
  let soundEnd = 0;
  for (const { start, end, type } of framesOf(file)) {
    if (type === undefined) {
      parts = undefined;
      unsure.push({ start, end });
      continue;
    }
    damaged.push(...unsure);
    unsure = [];
    soundEnd = end;
    const content = file.subarray(start + HEADER_BYTES, end);
    if (type === TYPES.full) records.push(content);
    if (type === TYPES.first) parts = [content];
    else if (type === TYPES.middle || type === TYPES.last) parts?.push(content);
    if (type === TYPES.last && parts) records.push(Buffer.concat(parts));
    if (type === TYPES.full || type === TYPES.last) parts = undefined;
  }
  return { records, damaged, end: soundEnd };
}

/** The same file with what is damaged made a frame that LevelDB steps over: it would drop the rest of the block, too. */
export function mendFrames(file: Buffer, damaged: readonly Span[]): Buffer {
  const mended = Buffer.from(file);
  for (const { start, end } of damaged) {
    if (end - start < HEADER_BYTES) continue;
    mended.writeUInt16LE(end - start - HEADER_BYTES, start + 4);
    mended[start + 6] = SKIPPED;
    mended.writeUInt32LE(maskedCrc(mended, start + 6, end), start);
  }
  return mended;
}

/** A file of one record. */
export function writeFrames(record: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < record.length || parts.length === 0;) {
    const content = record.subarray(at, at + BLOCK_BYTES - HEADER_BYTES);
    const first = at === 0;
    at += content.length;
    const last = at >= record.length;
    const frame = Buffer.concat([Buffer.alloc(HEADER_BYTES), content]);
    frame.writeUInt16LE(content.length, 4);
    frame[6] = first ? (last ? TYPES.full : TYPES.first) : last ? TYPES.last : TYPES.middle;
    frame.writeUInt32LE(maskedCrc(frame, 6, frame.length), 0);
    parts.push(frame);
  }
  return Buffer.concat(parts);
}

/** Every frame; without a type, bytes that are none. */
function* framesOf(file: Buffer): Generator<Span & { type: number | undefined }> {
  for (let block = 0; block < file.length; block += BLOCK_BYTES) {
    const blockEnd = Math.min(block + BLOCK_BYTES, file.length);
    for (let start = block; blockEnd - start >= HEADER_BYTES;) {
      const end = start + HEADER_BYTES + file.readUInt16LE(start + 4);
      if (isSound(file, start, blockEnd)) {
        yield { start, end, type: file[start + 6]! };
        start = end;
        continue;
      }
      // The length may be what is damaged. It is trusted only where it leads to something sound: what lies
      // within a frame could be anything, also what looks like a frame.
      const leadsOn = end <= blockEnd && (blockEnd - end < HEADER_BYTES || isSound(file, end, blockEnd));
      const next = leadsOn ? end : blockEnd;
      yield { start, end: next, type: undefined };
      start = next;
    }
  }
}

function isSound(file: Buffer, start: number, blockEnd: number): boolean {
  if (blockEnd - start < HEADER_BYTES) return false;
  const end = start + HEADER_BYTES + file.readUInt16LE(start + 4);
  if (file[start + 6] === TYPES.zero || end > blockEnd) return false;
  return file.readUInt32LE(start) === maskedCrc(file, start + 6, end);
}
