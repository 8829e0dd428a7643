// Entries read ahead of their turn: one look at the disk serves several batches. Knows keys and bytes, and since when
// they are known; whoever reads through it asks whether they still hold.

import { entriesAfter } from './keyspace.js';
import type { KeyRange } from './keyspace.js';
import type { ScanOptions, Store } from './store.js';

/** Times the rows that are asked for; no more bytes than are asked for. */
const AHEAD = 4;

export interface AheadContext {
  readonly store: Pick<Store, 'scan'>;
  readonly kind: string;
  /** How many removals of this kind have ended: see `Claims.removals`. */
  readonly removals: () => number;
}

/** A stream's entries, for one reader that goes forward. */
export class ReadAhead implements Pick<Store, 'scan'> {
  readonly #context: AheadContext;
  #rows: [key: string, value: Buffer][] = [];
  /** Where they begin: what stands before was not looked for. */
  #gte = '';
  /** Removals that had ended before they were read. */
  #removals = 0;

  constructor(context: AheadContext) {
    this.#context = context;
  }

  /** What was read may not be there any more, or not be what is there. */
  forget(): void {
    this.#rows = [];
  }

  /** How many removals had ended before what comes after a seq was read: so far, where it is not read yet. */
  removals(after: number): number {
    const { kind, removals } = this.#context;
    return this.#from(entriesAfter(kind, after).gte) === -1 ? removals() : this.#removals;
  }

  /** Where its rows are known, without looking at the disk, perhaps fewer than there are. */
  async scan(range: KeyRange, options: ScanOptions): Promise<[key: string, value: Buffer][]> {
    let from = this.#from(range.gte);
    if (from === -1) {
      this.#removals = this.#context.removals();
      this.#rows = await this.#context.store.scan(range, { ...options, limit: options.limit * AHEAD });
      this.#gte = range.gte;
      from = 0;
    }
    // What stands before is read and done with.
    this.#rows = this.#rows.slice(from);
    this.#gte = range.gte;
    return this.#rows.slice(0, options.limit);
  }

  /** The first known row at or above a key; -1 where it is not known. */
  #from(gte: string): number {
    return gte < this.#gte ? -1 : this.#rows.findIndex(([key]) => key >= gte);
  }
}
