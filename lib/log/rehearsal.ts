// Evicting without doing it: the same steps on the same log, whose changes stay in memory and are then forgotten. What
// it says would go is what does go, for as long as nothing else changes.

import type { Clock } from '../clock.js';
import type { Claims } from './claims.js';
import type { KeyRange } from './keyspace.js';
import { keys, parseKey, seqOfKey } from './keyspace.js';
import type { Range } from './ledger.js';
import type { Apply } from './queue.js';
import type { StreamState, Streams } from './state.js';
import { Draft, newStream } from './state.js';
import type { Store } from './store.js';

/** What evicting needs of a log. */
export interface Evictable {
  readonly store: Pick<Store, 'get' | 'scan' | 'scanKeys'>;
  readonly clock: Clock;
  readonly streams: Streams;
  readonly claims: Pick<Claims, 'inTurn' | 'inFlight' | 'removals' | 'isTouched' | 'remove' | 'removed'>;
  stream(kind: string): Readonly<StreamState>;
  change<T>(apply: Apply<T>, keysMax?: number): Promise<T>;
}

/** A log that looks as if what was changed here had happened. To be used in a turn of the log's claims. */
export class Rehearsal implements Evictable {
  readonly #log: Evictable;
  #streams: Streams;

  constructor(log: Evictable) {
    this.#log = log;
    this.#streams = log.streams;
  }

  get clock(): Clock {
    return this.#log.clock;
  }

  get streams(): Streams {
    return this.#streams;
  }

  stream(kind: string): Readonly<StreamState> {
    return this.#streams.get(kind) ?? newStream(kind);
  }

  change<T>(apply: Apply<T>): Promise<T> {
    const draft = new Draft(this.#streams);
    const result = apply(draft);
    this.#streams = draft.streams;
    return Promise.resolve(result);
  }

  /** Nobody is kept from a range that does not go. */
  readonly claims: Evictable['claims'] = {
    inTurn: (evict) => evict(),
    inFlight: (kind) => this.#log.claims.inFlight(kind),
    removals: (kind) => this.#log.claims.removals(kind),
    isTouched: (...given) => this.#log.claims.isTouched(...given),
    remove: (kind, range, removals) =>
      !this.#log.claims.isTouched(kind, range, removals) &&
      !this.#log.claims.inFlight(kind).some(({ from, to }) => from <= range.to && range.from <= to),
    removed: () => {},
  };

  /** What is stored, without what went here. */
  readonly store: Evictable['store'] = {
    get: async (key, snapshot) => (this.#goneAt(key) ? undefined : await this.#log.store.get(key, snapshot)),
    scan: (range, options) =>
      this.#withoutGone(
        range,
        options.limit,
        (rest, limit) => this.#log.store.scan(rest, { ...options, limit }),
        ([key]) => key,
        options.reverse,
      ),
    scanKeys: (range, limit) =>
      this.#withoutGone(
        range,
        limit,
        (rest, left) => this.#log.store.scanKeys(rest, left),
        (key) => key,
      ),
  };

  /** Steps over each range that went, by one seek. */
  async #withoutGone<Row>(
    { gte, lt }: KeyRange,
    limit: number,
    scan: (range: KeyRange, limit: number) => Promise<Row[]>,
    keyOf: (row: Row) => string,
    reverse = false,
  ): Promise<Row[]> {
    const found: Row[] = [];
    while (found.length < limit && gte < lt) {
      const rows = await scan({ gte, lt }, limit - found.length);
      const at = rows.findIndex((row) => this.#goneAt(keyOf(row)));
      found.push(...(at === -1 ? rows : rows.slice(0, at)));
      if (at === -1) break;
      const key = keyOf(rows[at]!);
      const { from, to } = this.#goneAt(key)!;
      const kind = parseKey(key)?.kind ?? '';
      if (reverse) lt = keys.entry(kind, from);
      else gte = keys.entry(kind, to + 1);
    }
    return found;
  }

  /** The range that went with an entry's key. */
  #goneAt(key: string): Range | undefined {
    const { section, kind } = parseKey(key) ?? { section: '', kind: '' };
    if (section !== 'entry') return undefined;
    const { head, notices } = this.stream(kind);
    const seq = seqOfKey(key);
    if (seq <= head.seq) return { from: 0, to: head.seq };
    return notices.find(({ from, to }) => from <= seq && to >= seq);
  }
}
