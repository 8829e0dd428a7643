// Tells once that records are lost, and once that none are any more: a line for each would be a second flood.

import type { Clock } from '../index.js';

/** Without another loss for so long, it is over. */
const QUIET_MS = 10_000;

type State = { at: 'fine' } | { at: 'losing'; lastMs: number };

export class Losses {
  readonly #clock: Clock;
  readonly #tell: (state: 'losing' | 'recovered', lost: number) => void;
  #state: State = { at: 'fine' };
  #seen = 0;

  constructor(clock: Clock, tell: (state: 'losing' | 'recovered', lost: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** To be called after every record, with how many were lost so far. */
  note(lost: number): void {
    if (lost > this.#seen) {
      const isFirst = this.#state.at === 'fine';
      this.#seen = lost;
      this.#state = { at: 'losing', lastMs: this.#clock.monotonic() };
      if (isFirst) this.#tell('losing', lost);
    } else if (this.#state.at === 'losing' && this.#clock.monotonic() - this.#state.lastMs >= QUIET_MS) {
      this.#state = { at: 'fine' };
      this.#tell('recovered', lost);
    }
  }
}
