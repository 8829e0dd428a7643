// Reading a stream: what comes after a seq, in order, checked. Never deletes, never writes.
//
// Every read checks each value's seal and that the seqs are contiguous: what is neither a record nor under
// a notice is reported as damage, and reading goes on behind it.

import type { Gap } from '../records.js';
import type { Entry } from './entry.js';
import { cutEntry, decodeEntry } from './entry.js';
import type { Piece } from './gzip.js';
import { linesOf } from './gzip.js';
import { entriesAfter, keys, seqOfKey } from './keyspace.js';
import type { Range } from './ledger.js';
import type { Notice, StreamState } from './state.js';
import type { Store, StoreSnapshot } from './store.js';

/** One step through a stream, at `from` to `to`, both included. */
export type Step =
  | { is: 'records'; from: number; to: number; entry: Entry }
  | { is: 'notice'; from: number; to: number; gap: Gap }
  | { is: 'damage'; from: number; to: number; damage: Damage };

/** Seqs that should be there and are not readable. */
export interface Damage extends Range {
  /** Keys of unreadable values among them. */
  readonly keys: readonly string[];
  readonly what: string;
}

export interface ReadBounds {
  /** The last seq to read; what is committed later is not looked at. */
  readonly upTo: number;
  readonly recordsMax: number;
  readonly lineBytesMax: number;
  /** Entries to fetch at first; what a chunk returned as `rows` is a good guess for the next. @default 8 */
  readonly rows?: number;
  readonly snapshot?: StoreSnapshot;
}

/** Entries fetched at once at most. */
const ROWS_MAX = 4096;

export interface Chunk {
  readonly steps: Step[];
  /** The read ended at a bound, not at the end of the stream. */
  readonly full: boolean;
  /** Entries that were looked at for it. */
  readonly rows: number;
}

/**
 * What comes after `after`, as whole entries wherever the bounds allow, notices in their place, clipped to
 * what lies after `after`. Never empty unless nothing is there up to `upTo`.
 */
export async function readAfter(
  store: Pick<Store, 'scan'>,
  stream: Readonly<StreamState>,
  after: number,
  bounds: ReadBounds,
): Promise<Chunk> {
  const walk = new Walk(stream.notices, after, bounds);
  const bad: string[] = [];
  const { lt } = entriesAfter(stream.kind, after);
  let limit = Math.max(1, bounds.rows ?? 8);
  let rows = 0;
  let gte = '';
  // Never seek into a range that was deleted: thousands of tombstones stand there.
  while (walk.skipNotices() <= bounds.upTo && !walk.full) {
    const start = keys.entry(stream.kind, walk.next);
    const found = await store.scan(
      { gte: start > gte ? start : gte, lt },
      { limit, bytesMax: bounds.lineBytesMax, ...(bounds.snapshot && { snapshot: bounds.snapshot }) },
    );
    if (found.length === 0) walk.miss(bounds.upTo, bad);
    for (const [key, value] of found) {
      rows++;
      const entry = decodeEntry(stream.kind, key, value);
      if (!entry) bad.push(key);
      else if (!walk.take(entry, bad)) break;
      // By key, not by seq: a damaged key's seq means nothing.
      gte = `${key}\0`;
    }
    limit = Math.min(limit * 2, ROWS_MAX);
  }
  return { steps: walk.steps, full: walk.full, rows };
}

/** Walks seqs upwards and keeps account of what was found at each. */
class Walk {
  readonly steps: Step[] = [];
  full = false;
  next: number;
  #records = 0;
  #lineBytes = 0;
  readonly #notices: readonly Notice[];
  readonly #bounds: ReadBounds;

  constructor(notices: readonly Notice[], after: number, bounds: ReadBounds) {
    this.#notices = notices;
    this.#bounds = bounds;
    this.next = after + 1;
  }

  /** Steps over the notices that begin here; returns the seq behind them. */
  skipNotices(): number {
    for (;;) {
      const notice = this.#notices.find(({ from, to }) => from <= this.next && to >= this.next);
      if (!notice || this.next > this.#bounds.upTo || this.full) return this.next;
      if (this.#records >= this.#bounds.recordsMax) this.full = true;
      else this.#stepOver(notice);
    }
  }

  #stepOver(notice: Notice): void {
    const { to, reason, at } = notice;
    this.steps.push({ is: 'notice', from: this.next, to, gap: { from: this.next, to, reason, at } });
    this.#records++;
    this.next = to + 1;
  }

  /** Takes an entry, or as much of it as fits; false when the bounds are reached. */
  take(entry: Entry, bad: string[]): boolean {
    if (this.skipNotices() < entry.firstSeq && !this.full) {
      this.#damage(Math.min(entry.firstSeq - 1, this.#bounds.upTo), bad);
    }
    // A damaged range may have ended where a notice begins.
    this.skipNotices();
    if (this.full || this.next > this.#bounds.upTo) return false;
    if (entry.lastSeq < this.next) return true;
    const { recordsMax, lineBytesMax, upTo } = this.#bounds;
    const from = Math.max(entry.firstSeq, this.next);
    let to = Math.min(entry.lastSeq, upTo);
    if (this.#records > 0) {
      const fits =
        this.#records + to - from + 1 <= recordsMax && this.#lineBytes + entry.lineBytes <= lineBytesMax;
      if (!fits) {
        this.full = true;
        return false;
      }
    }
    // The first one is cut where it has more records than a batch may have.
    to = Math.min(to, from + recordsMax - 1);
    this.steps.push({ is: 'records', from, to, entry });
    this.#records += to - from + 1;
    this.#lineBytes += entry.lineBytes;
    this.next = to + 1;
    if (
      to < Math.min(entry.lastSeq, upTo) ||
      this.#records >= recordsMax ||
      this.#lineBytes >= lineBytesMax
    ) {
      this.full = true;
    }
    return !this.full;
  }

  /** Nothing more is on disk, but seqs up to `to` should be. */
  miss(to: number, bad: string[]): void {
    while (!this.full && this.skipNotices() <= to) this.#damage(to, bad);
  }

  /** Marks everything from here to `to`, or to the next notice, as unreadable. */
  #damage(to: number, bad: string[]): void {
    while (this.next <= to && !this.full) {
      const notice = this.#notices.find((other) => other.from > this.next && other.from <= to);
      const end = notice ? notice.from - 1 : to;
      // Those behind the next notice belong to the damage there; a damaged key's seq means nothing.
      const others = bad.findIndex((key) => seqOfKey(key) > end);
      const found = bad.splice(0, others === -1 ? bad.length : others);
      const what = found.length > 0 ? `${found.length} unreadable entries` : 'missing entries';
      const damage = { from: this.next, to: end, keys: found, what };
      this.steps.push({ is: 'damage', from: this.next, to: end, damage });
      this.next = end + 1;
      this.skipNotices();
    }
  }
}

/** The pieces of a chunk's steps: lines as stored, cut where a step holds part of an entry, notices as lines. */
export async function piecesOf(
  steps: readonly Step[],
  noticeLine: (gap: Gap) => Piece,
): Promise<readonly Piece[] | Damage> {
  const pieces: Piece[] = [];
  for (const step of steps) {
    if (step.is === 'notice') pieces.push(noticeLine(step.gap));
    else if (step.is === 'records') {
      const piece = await cutEntry(step.entry, step.from, step.to);
      if (!piece) return damageOf(step.entry);
      pieces.push(piece);
    }
  }
  return pieces;
}

/** The lines of a step's entry, one by one; damage where they are not what was written. */
export async function recordLines({
  entry,
  from,
  to,
}: Range & { readonly entry: Entry }): Promise<string[] | Damage> {
  const piece = await cutEntry(entry, from, to);
  const lines = piece && (await linesOf(piece));
  if (!lines) return damageOf(entry);
  const texts = lines.toString('utf8').split('\n');
  texts.pop();
  return texts;
}

/** An entry whose seal holds and whose lines don't: written wrong, or changed in memory. */
function damageOf(entry: Entry): Damage {
  const { firstSeq: from, lastSeq: to, kind } = entry;
  return { from, to, keys: [keys.entry(kind, to)], what: 'lines that fail their checksum' };
}
