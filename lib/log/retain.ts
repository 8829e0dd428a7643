// Keeping the bounds while the log runs: watches what is stored, evicts when it is too much or too old, and
// says whether a stream may take more. `retention.ts` decides, `evict.ts` does; this file knows when.

import type { StreamPolicy } from '../config.js';
import { WalError } from '../errors.js';
import type { Eviction } from './evict.js';
import { evictOlder, evictToBounds } from './evict.js';
import type { Log } from './log.js';
import type { StreamState } from './state.js';
import { backlogBytes, storedBytes } from './state.js';

export interface RetainPolicy {
  /** Bytes that the log may hold, its reserve included. */
  readonly maxBytes: number;
  readonly streams: ReadonlyMap<string, Readonly<StreamPolicy>>;
  readonly onEvicted: (eviction: Eviction) => void;
}

/** The share of a budget that its reserve may take away from the records. */
const RESERVE_SHARE_MAX = 1 / 2;
/** The share of what records may hold that `reject` streams may fill; the rest keeps the others flowing. */
const REJECT_SHARE = 15 / 16;
/** Evicting goes this share of the bound below it: one entry at a time would be a commit each. */
const SLACK_SHARE = 1 / 64;
/** How often ages are looked at, as a share of the shortest age, and at most, in ms. */
const AGE_CHECKS = 24;
const AGE_CHECK_MS_MAX = 60_000;

export class Retainer {
  readonly #log: Log;
  readonly #policy: RetainPolicy;
  /** Bytes that all streams together may hold: the budget less the reserve. */
  readonly #maxBytes: number;
  readonly #abort = new AbortController();
  /** The wall clock at open, from where the monotonic clock counts on: a jump of the wall clock must not expire anything. */
  readonly #openedAt: number;
  readonly #openedMonotonic: number;
  readonly #aging: Promise<void>;
  #running: Promise<void> | undefined;

  constructor(log: Log, policy: RetainPolicy) {
    this.#log = log;
    this.#policy = policy;
    const { maxBytes } = policy;
    this.#maxBytes = maxBytes - Math.min(log.reserveBytes, Math.floor(maxBytes * RESERVE_SHARE_MAX));
    this.#openedAt = log.clock.now();
    this.#openedMonotonic = log.clock.monotonic();
    this.#aging = this.#age();
    log.makeRoom = (bytes) => this.#giveUp(bytes);
  }

  /**
   * @throws {WalError} `WAL_FULL` where a `reject` stream, or all of them, hold all that they may. Others always
   *   get in: room is made for them.
   */
  checkRoom(kind: string, bytes: number): void {
    const policy = this.#policy.streams.get(kind);
    if (policy?.whenFull !== 'reject') return;
    const own = this.#undelivered(kind);
    if (policy.maxBytes !== undefined && own + bytes > policy.maxBytes) {
      throw fullError(kind, own, policy.maxBytes, `streams.${kind}.maxBytes`);
    }
    let all = this.#log.pendingBytes + this.#log.quarantineBytes;
    for (const [other, { whenFull }] of this.#policy.streams) {
      if (whenFull === 'reject') all += this.#undelivered(other);
    }
    const share = Math.floor(this.#maxBytes * REJECT_SHARE);
    if (all + bytes > share) throw fullError(kind, all, share, '15/16 of maxBytes less the reserve');
  }

  /** Looks whether a bound is passed. Cheap; called after each commit. */
  wake(): void {
    if (this.#running || this.#abort.signal.aborted || !this.#isOver()) return;
    this.#running = this.#evict().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    await this.#aging;
  }

  /** Bytes of a stream that some cursor has not passed: the slowest one's backlog. */
  #undelivered(kind: string): number {
    const stream = this.#log.stream(kind);
    let most = 0;
    for (const cursor of stream.cursors.values()) most = Math.max(most, backlogBytes(stream, cursor));
    return most;
  }

  readonly #whenFull = (kind: string): StreamPolicy['whenFull'] =>
    this.#policy.streams.get(kind)?.whenFull ?? 'reject';

  #isOver(): boolean {
    let all = this.#log.quarantineBytes;
    for (const stream of this.#log.streams.values()) {
      const bytes = storedBytes(stream);
      if (bytes > this.#bytesMax(stream.kind)) return true;
      all += bytes;
    }
    return all > this.#maxBytes;
  }

  #bytesMax(kind: string): number {
    return this.#policy.streams.get(kind)?.maxBytes ?? Infinity;
  }

  async #evict(): Promise<void> {
    const { onEvicted } = this.#policy;
    try {
      for (const { kind } of this.#log.streams.values()) {
        const own = this.#bytesMax(kind);
        if (storedBytes(this.#log.stream(kind)) <= own) continue;
        const bounds = { kind, bytesMax: Math.floor(own * (1 - SLACK_SHARE)) };
        await evictToBounds(this.#log, this.#whenFull, bounds, 'size', onEvicted);
      }
      const bytesMax = Math.max(
        0,
        Math.floor(this.#maxBytes * (1 - SLACK_SHARE)) - this.#log.quarantineBytes,
      );
      if (this.#isOver()) await evictToBounds(this.#log, this.#whenFull, { bytesMax }, 'size', onEvicted);
    } catch {
      // Closing, or a disk that refuses: the writer has told, and the next commit looks again.
    }
  }

  /** Gives up so many bytes because the disk is full, or whatever may go; false where nothing may. */
  async #giveUp(bytes: number): Promise<boolean> {
    let stored = 0;
    for (const stream of this.#log.streams.values()) stored += storedBytes(stream);
    let any = false;
    const bounds = { bytesMax: Math.max(0, stored - bytes) };
    await evictToBounds(this.#log, this.#whenFull, bounds, 'disk-full', (eviction) => {
      any = true;
      this.#policy.onEvicted(eviction);
    });
    return any;
  }

  async #age(): Promise<void> {
    const { signal } = this.#abort;
    const ages = [...this.#policy.streams.values()].flatMap((policy) => policy.maxAgeMs ?? []);
    if (ages.length === 0) return;
    const everyMs = Math.min(AGE_CHECK_MS_MAX, Math.max(1, Math.min(...ages) / AGE_CHECKS));
    for (;;) {
      await this.#log.clock.sleep(everyMs, signal);
      if (signal.aborted) return;
      try {
        await this.#expire();
      } catch {
        // As in `#evict`; the next round looks again.
      }
    }
  }

  async #expire(): Promise<void> {
    const { clock } = this.#log;
    const now = this.#openedAt + clock.monotonic() - this.#openedMonotonic;
    for (const [kind, { whenFull, maxAgeMs }] of this.#policy.streams) {
      if (maxAgeMs === undefined || whenFull === 'reject') continue;
      const tried = this.#triedByAll(this.#log.stream(kind));
      for (const eviction of await evictOlder(this.#log, kind, now - maxAgeMs, tried)) {
        this.#policy.onEvicted(eviction);
      }
    }
  }

  /** Whether every shipper has tried to deliver since open: before, nothing that is undelivered expires. */
  #triedByAll(stream: StreamState): boolean {
    return [...stream.cursors.keys()].every((shipper) => this.#log.claims.hasTried(stream.kind, shipper));
  }
}

function fullError(kind: string, holds: number, limit: number, option: string): WalError {
  return new WalError(
    'WAL_FULL',
    `'${kind}' takes no more: ${holds} bytes are undelivered, ${limit} may be (${option}); it goes on as soon as some are delivered`,
  );
}
