// A clock that a test moves, and whose wall clock may be set besides.

import { ManualClock } from '../helpers/manual-clock.js';

export class JumpingClock extends ManualClock {
  #off = 0;

  override now(): number {
    return super.now() + this.#off;
  }

  override monotonic(): number {
    return super.now();
  }

  /** The wall clock is set; the monotonic one does not notice. */
  jump(ms: number): void {
    this.#off += ms;
  }
}
