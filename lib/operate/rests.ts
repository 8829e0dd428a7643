// Long work in small steps, with rests between: whoever holds a log has its own work to do on the same event loop.

import type { Clock } from '../clock.js';
import { systemClock } from '../clock.js';

/** What is not yet worth a rest, in ms: a timer takes one itself. */
const WORK_MS_MIN = 1;
/** A rest is so many times as long as the work before it, and no longer than so many ms. */
const REST_FACTOR = 4;
const REST_MS_MAX = 8;

export class Rests {
  readonly #clock: Clock;
  #began: number;

  constructor(clock = systemClock) {
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  /** Work begins here: what went before was waiting for somebody else. */
  begin(): void {
    this.#began = this.#clock.monotonic();
  }

  /** Rests, where enough was worked for it. */
  async take(): Promise<void> {
    const workedMs = this.#clock.monotonic() - this.#began;
    if (workedMs < WORK_MS_MIN) return;
    await this.#clock.sleep(Math.min(REST_FACTOR * workedMs, REST_MS_MAX));
    this.begin();
  }
}
