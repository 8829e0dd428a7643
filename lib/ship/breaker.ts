// The circuit breaker of one destination, shared by the streams that ship there: cockatiel's, on our clock.

import { ConsecutiveBreaker, CircuitState, circuitBreaker, handleAll } from 'cockatiel';
import type { CircuitBreakerPolicy } from 'cockatiel';
import type { Clock } from '../clock.js';
import { SinkError } from './sink.js';

/** Failures in a row after which nothing is sent for a while. */
const FAILURES_MAX = 5;
/** How long nothing is sent: at first, and doubled at each failed probe up to the most. In ms. */
const OPEN_MS_MIN = 5_000;
const OPEN_MS_MAX = 60_000;

/** Nothing was sent: for the destination's sake, not because of what it said. */
export class HeldBack extends SinkError {
  constructor(why: string) {
    super('outage', `the destination ${why}`);
  }
}
/** `half-open`: one probe is on its way. */
export type BreakerState = 'closed' | 'half-open' | 'open';

export class Breaker {
  readonly #clock: Clock;
  readonly #policy: CircuitBreakerPolicy;
  #openMs = OPEN_MS_MIN;
  #openUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#policy = circuitBreaker(
      handleAll,
      // Cockatiel waits by the wall clock, which may jump, back too. Here it never waits: `run` does, by our clock.
      { halfOpenAfter: -Infinity, breaker: new ConsecutiveBreaker(FAILURES_MAX) },
    );
    this.#policy.onBreak(() => {
      this.#openUntil = this.#clock.monotonic() + this.#openMs;
      this.#openMs = Math.min(this.#openMs * 2, OPEN_MS_MAX);
    });
    this.#policy.onReset(() => {
      this.#openMs = OPEN_MS_MIN;
    });
  }

  get state(): BreakerState {
    if (this.#policy.state === CircuitState.Closed) return 'closed';
    return this.#policy.state === CircuitState.HalfOpen ? 'half-open' : 'open';
  }

  /** How long nothing will be sent from now on, in ms; 0 when closed or ready for a probe. */
  get openForMs(): number {
    if (this.#policy.state !== CircuitState.Open) return 0;
    return Math.max(0, this.#openUntil - this.#clock.monotonic());
  }

  /** Runs a try, or fails at once with an outage while the breaker is open, or half open with another's probe on its way. */
  async run<T>(tryOnce: () => Promise<T>): Promise<T> {
    if (this.openForMs > 0) throw new HeldBack('failed too often; waiting before the next try');
    // Cockatiel would wait for the probe, deaf to `stop`, and send the next one right behind a failed one.
    if (this.#policy.state === CircuitState.HalfOpen)
      throw new HeldBack('failed too often; a probe is on its way');
    const ended = await this.#policy.execute(async () => {
      try {
        return { value: await tryOnce() };
      } catch (error) {
        if (error instanceof SinkError && error.failure === 'outage') throw error;
        // Whoever refuses is there: for the breaker, that is a success.
        return { error: error as Error };
      }
    });
    if ('error' in ended) throw ended.error;
    return ended.value;
  }
}
