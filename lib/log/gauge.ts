// What is measured of the disk now and then: the folder's size, and how old the oldest records are. Between
// commits, at most once a second, never by a timer.

import type { Clock } from '../clock.js';
import { diskBytes } from './folder.js';
import { entryAfter } from './seek.js';
import type { Streams } from './state.js';
import type { Store } from './store.js';

const EVERY_MS = 1000;

export class Gauge {
  readonly #dir: string;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #oldest = new Map<string, number>();
  #streams: Streams = new Map();
  #diskBytes = 0;
  #measuredAt = -Infinity;
  #measuring: Promise<void> | undefined;

  constructor(dir: string, store: Store, clock: Clock) {
    this.#dir = dir;
    this.#store = store;
    this.#clock = clock;
  }

  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** When a stream's oldest record on disk was appended: epoch ms. */
  oldestAppendedAt(kind: string): number | undefined {
    return this.#oldest.get(kind);
  }

  /** Takes in what is on disk now; measures where the last time is long enough ago. */
  committed(streams: Streams, changedKinds: readonly string[]): void {
    this.#streams = streams;
    for (const kind of changedKinds) {
      const stream = streams.get(kind);
      if (!stream || stream.head.seq >= stream.lastSeq) this.#oldest.delete(kind);
      else if (!this.#oldest.has(kind)) this.#oldest.set(kind, this.#clock.now());
    }
    if (this.#clock.monotonic() - this.#measuredAt >= EVERY_MS) void this.#measure();
  }

  /** Measures now; returns the folder's bytes. */
  async measure(streams: Streams): Promise<number> {
    await this.#measuring;
    this.#streams = streams;
    await this.#measure();
    return this.#diskBytes;
  }

  /** Resolves when nothing is being measured. */
  async idle(): Promise<void> {
    await this.#measuring;
  }

  #measure(): Promise<void> {
    this.#measuredAt = this.#clock.monotonic();
    this.#measuring ??= (async () => {
      try {
        this.#diskBytes = await diskBytes(this.#dir);
        for (const { kind, head } of this.#streams.values()) {
          const oldest = await entryAfter(this.#store, kind, head.seq);
          if (oldest) this.#oldest.set(kind, oldest.appendedAt);
        }
      } catch {
        // A folder that can't be listed keeps its last size; the next commit tells what is wrong with it.
      } finally {
        this.#measuring = undefined;
      }
    })();
    return this.#measuring;
  }
}
