// One moment to be woken at. Does not keep the process alive: whoever waits for it must.

import type { Clock } from '../clock.js';

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #waiting: { readonly at: number; readonly timer: AbortController } | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Whether a moment of the monotonic clock has come; where not, `ring` is called when it has, unless another is asked for. */
  hasCome(at: number): boolean {
    const delayMs = at === 0 ? 0 : at - this.#clock.monotonic();
    if (this.#waiting && (delayMs <= 0 || this.#waiting.at !== at)) {
      this.#waiting.timer.abort();
      this.#waiting = undefined;
    }
    if (delayMs > 0 && delayMs < Infinity) this.#waiting ??= this.#wait(at, delayMs);
    return delayMs <= 0;
  }

  #wait(at: number, delayMs: number): { at: number; timer: AbortController } {
    const timer = new AbortController();
    void this.#clock.sleep(delayMs, timer.signal).then(() => {
      if (timer.signal.aborted) return;
      // A timer may come a little early: then it is waited for once more.
      this.#waiting = undefined;
      this.#ring();
    });
    return { at, timer };
  }
}
