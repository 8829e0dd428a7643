// A damaged stream's entries from the bottom: which stay, which go, and what is missing between them. Pure.

import type { Entry } from './entry.js';
import type { Range } from './ledger.js';
import type { Head, StreamState } from './state.js';
import { noticedBytes } from './state.js';

/** A range that nothing explains, and the bytes that went with it, as a notice counts them. */
export interface Hole extends Range {
  bytes: number;
}

export class ReconcileWalk {
  readonly holes: Hole[] = [];
  /** In front of the first entry that stays. */
  head: Head | undefined;
  /** Behind the last entry that stays. */
  end: Head;
  readonly #stream: StreamState;
  /** What every cursor has passed. */
  readonly #lowest: number;
  readonly #remove: (key: string) => void;
  /** By shipper: see `offsetOf`. */
  readonly #offsets = new Map<string, number>();
  /** Everything below is gone, or explained. */
  #next: number;

  /** `resurrected`: what every cursor has passed goes. `remove` is called with the keys of what goes. */
  constructor(stream: StreamState, resurrected: boolean, remove: (key: string) => void) {
    const cursors = [...stream.cursors.values()];
    this.#stream = stream;
    this.#remove = remove;
    this.#lowest = cursors.length > 0 ? Math.min(...cursors.map((cursor) => cursor.seq)) : 0;
    this.#next = Math.max(stream.head.seq, resurrected ? this.#lowest : 0) + 1;
    // Offsets only ever grow: the highest that is known, where nothing is stored that would tell.
    const offset = Math.max(stream.head.offset, ...cursors.map((cursor) => cursor.offset));
    this.end = { seq: stream.head.seq, offset };
  }

  /** The next entry; without one where its value is not what was written. */
  take(key: string, entry: Entry | undefined): void {
    if (!entry || entry.lastSeq < this.#next || this.#isNoticed(entry)) return this.#remove(key);
    const { firstSeq, lastSeq, offset, size } = entry;
    const known = this.holes.length;
    this.missUpTo(firstSeq - 1);
    const hole = this.holes[known];
    if (hole && this.head) {
      const noticed = noticedBytes(this.#stream, this.end.seq) - noticedBytes(this.#stream, lastSeq);
      hole.bytes = Math.max(0, offset - this.end.offset - noticed);
    }
    this.head ??= { seq: firstSeq - 1, offset };
    for (const [shipper, { seq }] of this.#stream.cursors) {
      if (lastSeq <= seq || this.#offsets.has(shipper)) continue;
      this.#offsets.set(shipper, offset - this.#goneBytes(seq, firstSeq - 1));
    }
    this.end = { seq: lastSeq, offset: offset + size };
    this.#next = lastSeq + 1;
  }

  /** Nothing is stored up to a seq: notices stand for some of it, the rest are holes. */
  missUpTo(seq: number): void {
    // Where nothing is stored in front, what every cursor has passed is simply deleted.
    if (!this.head) this.#next = Math.max(this.#next, Math.min(seq, this.#lowest) + 1);
    const { notices } = this.#stream;
    while (this.#next <= seq) {
      const notice = notices.find(({ from, to }) => from <= this.#next && to >= this.#next);
      const following = notices.find(({ from }) => from > this.#next);
      const to = notice?.to ?? Math.min(seq, (following?.from ?? Infinity) - 1);
      if (!notice) this.holes.push({ from: this.#next, to, bytes: 0 });
      this.#next = to + 1;
    }
  }

  /** Bytes of entries, ever, in front of the first one that a cursor has not wholly settled, as a cursor counts them; `undefined` where none is stored. */
  offsetOf(shipper: string): number | undefined {
    return this.#offsets.get(shipper);
  }

  /** Bytes that went from between two seqs, behind the head. */
  #goneBytes(after: number, upTo: number): number {
    const from = Math.max(after, this.head?.seq ?? 0);
    if (from >= upTo) return 0;
    const holes = this.holes.reduce((sum, { to, bytes }) => (to > from ? sum + bytes : sum), 0);
    return holes + noticedBytes(this.#stream, from) - noticedBytes(this.#stream, upTo);
  }

  /** Whether notices stand for all of an entry; what every cursor has passed of it, they need not tell. */
  #isNoticed({ firstSeq, lastSeq }: Entry): boolean {
    let next = lastSeq > this.#lowest ? Math.max(firstSeq, this.#lowest + 1) : firstSeq;
    for (const { from, to } of this.#stream.notices) if (from <= next && to >= next) next = to + 1;
    return next > lastSeq;
  }
}
