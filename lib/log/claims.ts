// Who holds which seqs: batches on their way, and ranges about to be removed. Pure, in memory.
//
// A record must not be both delivered and dropped, nor dropped twice. A batch is claimed before it is sent and a
// range before it is removed, synchronously; one of the two comes first and the other has to look again.

import type { Range } from './ledger.js';

/** Removals remembered for each kind; what was read before the oldest of them has to be read again. */
const REMEMBERED_MAX = 64;

interface Removals {
  /** How many have ended. */
  count: number;
  /** The last ones, oldest first. */
  recent: Range[];
  current: Set<Range>;
}

export class Claims {
  /** By kind and shipper. */
  readonly #inFlight = new Map<string, Range & { readonly kind: string }>();
  readonly #removals = new Map<string, Removals>();
  readonly #tried = new Set<string>();
  #turn: Promise<void> = Promise.resolve();

  /** How many removals have ended; to be taken before reading what is to be sent or removed. */
  removals(kind: string): number {
    return this.#of(kind).count;
  }

  /** Whether part of a range is being removed, or was since there were so many removals: what was read of it says nothing. */
  isTouched(kind: string, range: Range, removals: number): boolean {
    const { count, recent, current } = this.#of(kind);
    const since = count - removals;
    if (since > recent.length) return true;
    return [...current, ...recent.slice(recent.length - since)].some((other) => overlap(range, other));
  }

  /** Claims a batch that was read when there were so many removals; false where part of it was or is being removed since. */
  send(kind: string, shipper: string, range: Range, removals: number): boolean {
    if (this.isTouched(kind, range, removals)) return false;
    this.#inFlight.set(`${kind}/${shipper}`, { kind, from: range.from, to: range.to });
    return true;
  }

  /** The shipper has tried to deliver: an answer, or a failure, has come. */
  tried(kind: string, shipper: string): void {
    this.#tried.add(`${kind}/${shipper}`);
  }

  /** Whether the shipper has tried to deliver since open. */
  hasTried(kind: string, shipper: string): boolean {
    return this.#tried.has(`${kind}/${shipper}`);
  }

  /** The shipper's batch is settled or given up. */
  sent(kind: string, shipper: string): void {
    this.#inFlight.delete(`${kind}/${shipper}`);
  }

  /** Ranges of one stream that are on their way. */
  inFlight(kind: string): Range[] {
    return [...this.#inFlight.values()].filter((range) => range.kind === kind);
  }

  /**
   * Claims a range for removal that was looked at when there were so many removals; false where a batch holds
   * part of it, or another removal came first. Ends with `removed`.
   */
  remove(kind: string, range: Range, removals: number): boolean {
    if (this.isTouched(kind, range, removals)) return false;
    if (this.inFlight(kind).some((other) => overlap(range, other))) return false;
    this.#of(kind).current.add(range);
    return true;
  }

  /** Counts only now: what was read while it was being removed may hold part of it. */
  removed(kind: string, range: Range): void {
    const removals = this.#of(kind);
    removals.current.delete(range);
    removals.count++;
    removals.recent.push(range);
    if (removals.recent.length > REMEMBERED_MAX) removals.recent.shift();
  }

  /** Evicts after whoever evicts now: two at once would each give up what is enough for both. */
  async inTurn<T>(evict: () => Promise<T>): Promise<T> {
    const evicted = this.#turn.then(evict);
    this.#turn = evicted.then(
      () => {},
      () => {},
    );
    return await evicted;
  }

  #of(kind: string): Removals {
    let removals = this.#removals.get(kind);
    if (!removals) {
      removals = { count: 0, recent: [], current: new Set() };
      this.#removals.set(kind, removals);
    }
    return removals;
  }
}

function overlap(a: Range, b: Range): boolean {
  return a.from <= b.to && b.from <= a.to;
}
