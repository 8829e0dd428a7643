// From what waits to what is written: appends, numbered and made lines, as entries. Knows no database.

import { crc32 } from 'node:zlib';
import { recordLine } from '../records.js';
import { deflate } from './deflate.js';
import { ENTRY_RECORDS_MAX, encodeEntry, entrySize } from './entry.js';
import type { Piece } from './gzip.js';
import type { Draft, Streams } from './state.js';

/** Bytes of lines from which deflating pays for its hop to the thread pool; and of one entry beside others that pay. */
export const DEFLATE_BYTES_MIN = 32_768;
const DEFLATE_BESIDE_BYTES_MIN = 2048;
/**
 * Bytes of lines with which an entry is full, unless a single record has more. Far less than an entry may have: the
 * parts of a large append are deflated at the same time.
 */
export const ENTRY_BYTES = 98_304;
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

/** The last seqs that were given: to what is on disk, and to what is on its way there. */
export class Numbers {
  readonly #streams: Streams;
  readonly #given = new Map<string, number>();

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** Gives so many seqs; returns the first. */
  take(kind: string, count: number): number {
    const last = this.#given.get(kind) ?? this.#streams.get(kind)?.lastSeq ?? 0;
    this.#given.set(kind, last + count);
    return last + 1;
  }
}

/** What becomes one entry: lines, one behind the other. */
class Lines {
  readonly kind: string;
  lastSeq = 0;
  count = 0;
  bytes = 0;
  /** Bytes with which it is full. */
  readonly #bytesMax: number;
  #buffer: Buffer;

  /** `bytes`: what its lines may well have. */
  constructor(kind: string, bytes: number, bytesMax: number) {
    this.kind = kind;
    this.#bytesMax = bytesMax;
    this.#buffer = Buffer.allocUnsafe(Math.min(bytes, bytesMax));
  }

  get buffer(): Buffer {
    return this.#buffer.subarray(0, this.bytes);
  }

  /**
   * Adds a line, unless it is full. Written at once: lines that wait as strings to be joined cost three times as
   * much.
   */
  add(line: string, seq: number): boolean {
    if (this.count === ENTRY_RECORDS_MAX) return false;
    const room = Math.min(this.#buffer.length, this.#bytesMax) - this.bytes;
    // A UTF-16 unit is at most 3 bytes of UTF-8: most lines need no count.
    if (line.length * 3 > room) {
      const needed = this.bytes + Buffer.byteLength(line);
      if (this.count > 0 && needed > this.#bytesMax) return false;
      this.#reserve(needed);
    }
    this.bytes += this.#buffer.write(line, this.bytes);
    this.count++;
    this.lastSeq = seq;
    return true;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#buffer.length * 2));
    larger.set(this.buffer);
    this.#buffer = larger;
  }
}

/** An entry but for where in its stream it stands, which is known once those before it are deflated. */
interface Ready {
  readonly kind: string;
  readonly lastSeq: number;
  readonly count: number;
  readonly piece: Piece;
}

/** Makes the entries of one commit, or of a part of it. */
export class Encoder {
  readonly #numbers: Numbers;
  readonly #writerId: string;
  readonly #now: number;
  /** Of all lines, and with which an entry is full: all about the same. */
  readonly #bytes: number;
  readonly #entryBytes: number;
  readonly #lines: Lines[] = [];
  /** By kind: what is not full yet. */
  readonly #open = new Map<string, Lines>();
  /** Of the last append: most have but one kind. */
  #last: Lines | undefined;
  #ready: readonly Ready[] = [];

  /** `bytes`: what all its lines may well have. `now`: epoch ms. */
  constructor(numbers: Numbers, writerId: string, now: number, bytes: number) {
    this.#numbers = numbers;
    this.#writerId = writerId;
    this.#now = now;
    this.#bytes = bytes;
    this.#entryBytes = bytes <= ENTRY_BYTES ? ENTRY_BYTES : Math.ceil(bytes / Math.ceil(bytes / ENTRY_BYTES));
  }

  /** Numbers an append's records and takes them in. */
  add({ kind, records }: Append): Appended {
    const writerId = this.#writerId;
    const firstSeq = this.#numbers.take(kind, records.length);
    let seq = firstSeq;
    for (const json of records) {
      const line = recordLine(writerId, kind, seq, json);
      const open = this.#last?.kind === kind ? this.#last : this.#open.get(kind);
      this.#last = open?.add(line, seq) ? open : this.#begin(kind, line, seq);
      seq++;
    }
    return { writerId, firstSeq };
  }

  #begin(kind: string, line: string, seq: number): Lines {
    const lines = new Lines(kind, Math.max(0, this.#bytes - this.#linesBytes), this.#entryBytes);
    lines.add(line, seq);
    this.#open.set(kind, lines);
    this.#lines.push(lines);
    return lines;
  }

  get #linesBytes(): number {
    return this.#lines.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Deflates what is worth it, on the thread pool; `undefined` where nothing is: it can be written at once. */
  finish(): Promise<void> | undefined {
    const bytesMin = this.#linesBytes < DEFLATE_BYTES_MIN ? Infinity : DEFLATE_BESIDE_BYTES_MIN;
    const pieces = this.#lines.map((lines) => pieceOf(lines, bytesMin));
    const settle = (all: readonly Piece[]) => {
      this.#ready = this.#lines.map(({ kind, lastSeq, count }, n) => ({
        kind,
        lastSeq,
        count,
        piece: all[n]!,
      }));
    };
    if (pieces.some((piece) => piece instanceof Promise)) {
      return Promise.all(pieces.map(async (piece) => await piece)).then(settle);
    }
    settle(pieces as Piece[]);
    return undefined;
  }

  /** Adds the entries to the draft of their commit. Called once `finish` is done. */
  write(draft: Draft): void {
    for (const { kind, lastSeq, count, piece } of this.#ready) {
      const stream = draft.stream(kind);
      const { key, value } = encodeEntry(kind, lastSeq, count, this.#now, stream.endOffset, piece);
      stream.lastSeq = lastSeq;
      stream.endOffset += entrySize(key, value);
      draft.putSealed(key, value);
    }
  }
}

/** Never rejects: what can't be deflated, where memory is short most likely, is stored as it is. */
function pieceOf({ buffer }: Lines, bytesMin: number): Piece | Promise<Piece> {
  const plain: Piece = { codec: 0, stored: buffer, lineBytes: buffer.length, linesCrc: crc32(buffer) };
  if (buffer.length < bytesMin) return plain;
  return deflate(buffer).then(
    (stored) =>
      stored.length <= buffer.length * DEFLATED_SHARE_MAX ? { ...plain, codec: 1, stored } : plain,
    () => plain,
  );
}
