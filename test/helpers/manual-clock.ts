// A clock that stands still until a test moves it.

import type { Clock } from '../../lib/clock.js';

export class ManualClock implements Clock {
  #now: number;
  readonly #sleeping = new Set<{ until: number; wake: () => void }>();

  constructor(now = 1_767_225_600_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Timers that are set and have not gone off. */
  get pending(): number {
    return this.#sleeping.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { until: this.#now + ms, wake };
      const sleeping = this.#sleeping;
      function wake() {
        sleeping.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      }
      if (signal?.aborted) return wake();
      sleeping.add(sleeper);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  /** Moves time by `ms`, back if negative, and wakes whoever slept until then. */
  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of this.#sleeping) if (sleeper.until <= this.#now) sleeper.wake();
  }
}
