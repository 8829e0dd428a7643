// Watches a running log: looks at it every few seconds, remembers since when something is so, raises and clears
// alerts, and says what there is to measure and how the log does. Changes nothing of the log.

import type { AlertThresholds } from '../alert-options.js';
import type { Clock } from '../clock.js';
import type { WalEvent } from '../events.js';
import type { Alert } from './alerts.js';
import { measuresOf, nextAlerts } from './alerts.js';
import type { Routes } from './control.js';
import { Answer } from './control.js';
import { EXPOSITION_TYPE, expose } from './exposition.js';
import type { WalHealth } from './health.js';
import { healthOf } from './health.js';
import { walLook } from './look.js';
import { Lookup } from './lookup.js';
import type { WalMetrics } from './metrics.js';
import { metricsOf } from './metrics.js';
import type { MetricsRegistry, MetricsSource } from './registry.js';
import { registerMetrics } from './registry.js';
import type { Track } from './track.js';
import { follow } from './track.js';
import type { View, ViewSources } from './view.js';
import { viewOf } from './view.js';

/** How long a look at the disk is waited for. */
const LOOK_MS_MAX = 1000;

export interface WatchContext extends ViewSources {
  readonly clock: Clock;
  readonly alerts: AlertThresholds;
  readonly onEvent: (event: WalEvent) => void;
}

export class Watch implements MetricsSource {
  readonly #context: WatchContext;
  readonly #lookup = new Lookup();
  readonly #abort = new AbortController();
  readonly #watching: Promise<void>;
  readonly #registrations: (() => void)[] = [];
  #looking: Promise<void> | undefined;
  #track: Track;
  #alerts: ReadonlyMap<string, Alert> = new Map();

  constructor(context: WatchContext) {
    this.#context = context;
    this.#track = follow(undefined, this.#view(), context.alerts.quietMs);
    this.#watching = this.#watch();
  }

  metrics(): WalMetrics {
    return metricsOf(this.#view(), this.#alerts.values());
  }

  health(): WalHealth {
    return healthOf(this.#view(), this.#track, this.#alerts.values(), this.#context.alerts);
  }

  /** See `registerMetrics`. The log is taken out again when this is closed. */
  register(registry: MetricsRegistry): void {
    this.#registrations.push(registerMetrics(registry, this));
  }

  /** What can be asked over the control socket. */
  get routes(): Routes {
    return {
      'GET /v1/metrics': async () => {
        await this.look();
        return new Answer(200, EXPOSITION_TYPE, expose(this.metrics()));
      },
      'GET /v1/look': async () => {
        await this.look();
        return walLook(this.#view(), this.health(), this.#context.log);
      },
      'GET /v1/health': async () => {
        await this.look();
        const health = this.health();
        const body = `${JSON.stringify(health)}\n`;
        return new Answer(health.status === 'fail' ? 503 : 200, 'application/health+json', body);
      },
    };
  }

  /**
   * Looks up on disk what has changed there. Never rejects, and does not wait for long: a disk that does not answer
   * is what health has to tell of.
   */
  async look(): Promise<void> {
    const { clock, log } = this.#context;
    if (this.#abort.signal.aborted) return;
    this.#looking ??= this.#lookup
      .look(log)
      .catch(() => {})
      .finally(() => (this.#looking = undefined));
    const looked = new AbortController();
    await Promise.race([this.#looking, clock.sleep(LOOK_MS_MAX, looked.signal)]);
    looked.abort();
  }

  /** To be called while the log is open. */
  async close(): Promise<void> {
    this.#abort.abort();
    for (const end of this.#registrations) end();
    await this.#watching;
    await this.#looking;
  }

  async #watch(): Promise<void> {
    const { clock, alerts } = this.#context;
    const { signal } = this.#abort;
    for (;;) {
      await clock.sleep(alerts.everyMs, signal);
      await this.look();
      if (signal.aborted) return;
      this.#judge();
    }
  }

  #judge(): void {
    const { alerts, onEvent } = this.#context;
    const view = this.#view();
    this.#track = follow(this.#track, view, alerts.quietMs);
    const { raised, events } = nextAlerts(this.#alerts, measuresOf(view, this.#track), alerts, view.now);
    this.#alerts = raised;
    for (const event of events) onEvent(event);
  }

  #view(): View {
    return viewOf(this.#context, this.#lookup);
  }
}
