// The circuit breaker of one destination, shared by the streams that ship there: cockatiel's, on our clock.

import { ConsecutiveBreaker, BrokenCircuitError, CircuitState, circuitBreaker, handleWhen } from 'cockatiel';
import type { CircuitBreakerPolicy } from 'cockatiel';
import type { Clock } from '../clock.js';
import { SinkError } from './sink.js';

/** Failures in a row after which nothing is sent for a while. */
const FAILURES_MAX = 5;
/** How long nothing is sent: at first, and doubled at each failed probe up to the most. In ms. */
const OPEN_MS_MIN = 5_000;
const OPEN_MS_MAX = 60_000;

export class Breaker {
  readonly #clock: Clock;
  readonly #policy: CircuitBreakerPolicy;
  #openMs = OPEN_MS_MIN;
  #openUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#policy = circuitBreaker(
      handleWhen((error) => error instanceof SinkError && error.failure === 'outage'),
      // Cockatiel waits by the wall clock, which may jump. Here it never waits: `run` does, by the passed-in clock.
      { halfOpenAfter: 0, breaker: new ConsecutiveBreaker(FAILURES_MAX) },
    );
    this.#policy.onBreak(() => {
      this.#openUntil = this.#clock.monotonic() + this.#openMs;
      this.#openMs = Math.min(this.#openMs * 2, OPEN_MS_MAX);
    });
    this.#policy.onReset(() => {
      this.#openMs = OPEN_MS_MIN;
    });
  }

  /** How long nothing will be sent from now on, in ms; 0 when closed or ready for a probe. */
  get openForMs(): number {
    if (this.#policy.state !== CircuitState.Open) return 0;
    return Math.max(0, this.#openUntil - this.#clock.monotonic());
  }

  /** Runs a try, or fails at once with an outage while the breaker is open. One probe at a time when it is half open. */
  async run<T>(tryOnce: () => Promise<T>): Promise<T> {
    try {
      if (this.openForMs > 0) throw new BrokenCircuitError();
      return await this.#policy.execute(() => tryOnce());
    } catch (error) {
      if (error instanceof BrokenCircuitError) {
        throw new SinkError('outage', 'the destination failed too often; waiting before the next try', {
          cause: error,
        });
      }
      throw error;
    }
  }
}
