// What delivering costs and what goes wrong with it, for one cursor of one stream: counted since the log was
// opened, whichever shippers come and go.

import { Histogram } from '../histogram.js';
import type { FailureKind } from './sink.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Why a try came to nothing; `local`: on this side of the wire, before anything was sent. */
export type FailureReason = FailureKind | 'local';

/** What keeps a shipper from delivering, since its last success. */
export interface Failing {
  readonly reason: FailureReason;
  readonly message: string;
}

export class ShipMeter {
  /** How long the destination took for a batch that it settled. */
  readonly seconds = new Histogram(SECONDS);
  readonly #errors = new Map<FailureReason, number>();
  #failing: Failing | undefined;
  /** When the try that is on its way was begun; monotonic. */
  #triedAt: number | undefined;

  /** Tries that came to nothing, by reason. */
  get errors(): ReadonlyMap<FailureReason, number> {
    return this.#errors;
  }

  get failing(): Failing | undefined {
    return this.#failing;
  }

  /** A shipper begins: what kept the one before from delivering is not known of this one. */
  began(): void {
    this.#failing = undefined;
  }

  /** A batch is sent. */
  tried(now: number): void {
    this.#triedAt = now;
  }

  /** It came to nothing; or the breaker held it back, which is no try and says nothing new. */
  failed(reason: FailureReason, message: string): void {
    const sent = this.#triedAt !== undefined || reason === 'local';
    this.#triedAt = undefined;
    if (sent) this.#errors.set(reason, (this.#errors.get(reason) ?? 0) + 1);
    if (sent || !this.#failing) this.#failing = { reason, message };
  }

  /** It is over without a verdict: the batch comes again in parts, or the shipper stops. */
  ended(): void {
    this.#triedAt = undefined;
  }

  /** The destination has it. */
  settled(now: number): void {
    if (this.#triedAt !== undefined) this.seconds.observe((now - this.#triedAt) / 1000);
    this.#failing = undefined;
    this.ended();
  }
}
