// The shippers of one log: which run, what they share, and how they end together.

import type { Clock } from '../clock.js';
import { checkInteger, expected } from '../config.js';
import { WalError } from '../errors.js';
import type { WalEvent } from '../events.js';
import type { Log } from '../log/log.js';
import { Breaker } from './breaker.js';
import { ShipMeter } from './meter.js';
import type { ShipOptions } from './shipper-context.js';
import { Shipper } from './shipper.js';
import type { Sink } from './sink.js';

/** What a running shipper was told: enough to deliver the same stream of another log in the same way. */
export interface Assignment {
  readonly kind: string;
  readonly sink: Sink;
  readonly options: Required<ShipOptions>;
}

export class Shippers {
  /** Called when a shipper was started or has stopped. Set by whoever delivers other logs alongside. */
  onChange: () => void = () => {};
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onEvent: (event: WalEvent) => void;
  /** By kind and name. */
  readonly #running = new Map<string, Shipper>();
  readonly #assignments = new Map<string, Assignment>();
  /** As many as there were cursors shipped from. */
  readonly #meters = new Map<string, ShipMeter>();
  /** By the sinks' names: streams that ship to one destination learn of its outage together. */
  readonly breakers: Map<string, Breaker>;
  readonly #sinks = new Set<Sink>();

  /** `breakers`: those of other shippers in this process that ship to the same sinks. */
  constructor(
    log: Log,
    clock: Clock,
    onEvent: (event: WalEvent) => void,
    breakers = new Map<string, Breaker>(),
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.breakers = breakers;
  }

  /** What the running shippers ship, by kind and name. */
  get assignments(): ReadonlyMap<string, Assignment> {
    return this.#assignments;
  }

  get(kind: string, name: string): Shipper | undefined {
    return this.#running.get(`${kind}/${name}`);
  }

  /** What was measured of a cursor's deliveries; kept when its shipper stops. */
  meter(kind: string, name: string): ShipMeter | undefined {
    return this.#meters.get(`${kind}/${name}`);
  }

  /** @throws {WalError} `WAL_CONFIG`: not one of the declared names, running already, or an option that does not fit. */
  start(
    kind: string,
    declared: readonly string[],
    sink: Sink,
    options: ShipOptions & { batchMax: number },
  ): Shipper {
    const { name = 'default', lingerMs = 100, batchMax, batchBytes = 1_048_576 } = options;
    if (!declared.includes(name)) {
      throw new WalError(
        'WAL_CONFIG',
        `'${kind}' has no shipper '${name}'; declared are ${declared.join(', ')} (streams.${kind}.shippers)`,
      );
    }
    if (!this.#log.stream(kind).cursors.has(name)) {
      throw new WalError(
        'WAL_CONFIG',
        `the cursor '${name}' of '${kind}' was given up; it is made anew at the next open`,
      );
    }
    if (typeof sink?.send !== 'function' || typeof sink.name !== 'string') {
      throw expected('sink', 'a Sink: a name and a send function', typeof sink);
    }
    const key = `${kind}/${name}`;
    if (this.#running.has(key)) {
      throw new WalError('WAL_CONFIG', `the shipper '${name}' of '${kind}' runs already`);
    }
    checkInteger('lingerMs', lingerMs, 0, 60_000);
    checkInteger('batchMax', batchMax, 1, 100_000);
    checkInteger('batchBytes', batchBytes, 1024);
    const meter = this.#meters.get(key) ?? new ShipMeter();
    this.#meters.set(key, meter);
    meter.began();
    const assignment = { kind, sink, options: { name, lingerMs, batchMax, batchBytes } };
    const shipper = new Shipper({
      ...assignment,
      log: this.#log,
      breaker: this.#breaker(sink.name),
      meter,
      clock: this.#clock,
      random: Math.random,
      onEvent: this.#onEvent,
      onStopped: () => this.#stopped(key),
    });
    this.#sinks.add(sink);
    this.#running.set(key, shipper);
    this.#assignments.set(key, assignment);
    this.onChange();
    return shipper;
  }

  /**
   * Resolves when what is there now, of every stream or of one, is delivered, after `withinMs`, or when `signal` fires.
   * Nothing lingers meanwhile. What comes meanwhile is not waited for: in a busy log there is always something.
   */
  async drain(withinMs: number, kind?: string, signal?: AbortSignal): Promise<void> {
    const late = new AbortController();
    signal?.addEventListener('abort', () => late.abort(), { once: true });
    if (signal?.aborted) late.abort();
    const wanted = [...this.#running.values()].filter((shipper) => (kind ?? shipper.kind) === shipper.kind);
    const idle = wanted.map(async (shipper) => {
      await this.#log.flush();
      const through = this.#log.stream(shipper.kind).lastSeq;
      await shipper.idle({ signal: late.signal, through });
    });
    const drained = Promise.allSettled(idle);
    await Promise.race([drained, this.#clock.sleep(withinMs, late.signal)]);
    late.abort();
    await drained;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((shipper) => shipper.stop()));
  }

  /** Closes every sink that was ever shipped to. A sink that can't is no reason not to close the log. */
  async closeSinks(): Promise<void> {
    await Promise.allSettled([...this.#sinks].map(async (sink) => sink.close?.()));
  }

  #stopped(key: string): void {
    this.#running.delete(key);
    this.#assignments.delete(key);
    this.onChange();
  }

  #breaker(sinkName: string): Breaker {
    let breaker = this.breakers.get(sinkName);
    if (!breaker) {
      breaker = new Breaker(this.#clock);
      this.breakers.set(sinkName, breaker);
    }
    return breaker;
  }
}
