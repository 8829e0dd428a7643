// How often values of which size were seen: a few additions for each, so that every commit and request can be
// measured. Knows no units and no names.

export interface HistogramSnapshot {
  /** For each upper bound, ascending: how many values were at most that. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  /** All values, those above the last bound too. */
  readonly count: number;
  readonly sum: number;
}

export class Histogram {
  readonly #bounds: readonly number[];
  /** By bound, each value once; those above the last bound are in no bucket. */
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  /** `bounds`: ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    const bucket = this.#bounds.findIndex((le) => value <= le);
    if (bucket !== -1) this.#counts[bucket]!++;
    this.#count++;
    this.#sum += value;
  }

  snapshot(): HistogramSnapshot {
    let below = 0;
    const buckets = this.#bounds.map((le, n) => ({ le, count: (below += this.#counts[n]!) }));
    return { buckets, count: this.#count, sum: this.#sum };
  }
}
