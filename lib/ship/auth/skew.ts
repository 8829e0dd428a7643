// How far a destination's clock is ahead of ours, from the `Date` of its answers. Pure but for what it remembers.

import { httpDate } from '../http-date.js';

/** `Date` counts whole seconds: the answer was made within one of them. */
const DATE_MS = 1_000;
/** More than this is not a clock that is wrong, but a header that is. */
const SKEW_MS_MAX = 86_400_000;

export class ClockSkew {
  #ms: number | undefined;

  /** In ms, by the last answer that had a `Date`; `undefined` before there was one. Positive: it is ahead. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /** Takes the `Date` of an answer to a request that began and ended at these moments of our clock, epoch ms. */
  measure(date: string | undefined, beganAt: number, endedAt: number): void {
    const at = httpDate(date);
    if (at === undefined) return;
    // It was answered somewhere between; what lies within that says nothing of the clocks.
    const least = at - endedAt;
    const most = at + DATE_MS - beganAt;
    const ms = least <= 0 && most >= 0 ? 0 : Math.round((least + most) / 2);
    if (Math.abs(ms) <= SKEW_MS_MAX) this.#ms = ms;
  }
}
