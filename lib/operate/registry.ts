// A service's own prom-client, which its metrics endpoint has already: the log's metrics join it. Nothing of
// prom-client is imported; it is told what it asks of a metric, and asks for the values whenever it is read.

import { WalError, messageOf } from '../errors.js';
import type { ExposedValue } from './exposition.js';
import { valuesOf } from './exposition.js';
import type { MetricFamily, MetricName, WalMetrics } from './metrics.js';
import { METRICS } from './metrics.js';

/** What is needed of prom-client's `Registry` (15). */
export interface MetricsRegistry {
  registerMetric(metric: RegistryMetric): void;
  getSingleMetric(name: string): object | undefined;
}

/** What a registry asks of a metric. */
export interface RegistryMetric {
  get(): Promise<{ name: string; help: string; values: { value: number; labels: object }[] }>;
  reset(): void;
}

/** Where values come from: an open log. */
export interface MetricsSource {
  metrics(): WalMetrics;
  /** Looks up what `metrics` can't know from memory. */
  look(): Promise<void>;
}

/** The logs whose metrics a registry has: several, where a process holds several, under the same names. */
class Sources {
  readonly all = new Set<MetricsSource>();
  #reading: Promise<WalMetrics[]> | undefined;

  /** Reads all of them, once for all metrics: a registry asks for each of them in the same turn. */
  read(): Promise<WalMetrics[]> {
    this.#reading ??= (async () => {
      await Promise.all([...this.all].map((source) => source.look()));
      this.#reading = undefined;
      return [...this.all].map((source) => source.metrics());
    })();
    return this.#reading;
  }
}

const sourcesOf = new WeakMap<MetricsRegistry, Sources>();

/**
 * Adds a log to a registry. Returns how to take it out again.
 *
 * @throws {WalError} `WAL_CONFIG` where something else has one of the names.
 */
export function registerMetrics(registry: MetricsRegistry, source: MetricsSource): () => void {
  const sources = sourcesOf.get(registry) ?? new Sources();
  sourcesOf.set(registry, sources);
  for (const [name, { type, help }] of METRICS) {
    if (registry.getSingleMetric(name) instanceof LogMetric) continue;
    try {
      registry.registerMetric(new LogMetric(name, type, help, sources));
    } catch (cause) {
      throw new WalError('WAL_CONFIG', `the registry does not take ${name}: ${messageOf(cause)}`, { cause });
    }
  }
  sources.all.add(source);
  return () => void sources.all.delete(source);
}

class LogMetric implements RegistryMetric {
  /** Read, and for OpenMetrics changed, by the registry. */
  name: string;
  readonly help: string;
  readonly type: MetricFamily['type'];
  /** Among the processes of a cluster: each has its own instance, so there is nothing to add up. */
  readonly aggregator = 'first';
  readonly #name: MetricName;
  readonly #sources: Sources;

  constructor(name: MetricName, type: MetricFamily['type'], help: string, sources: Sources) {
    this.name = name;
    this.#name = name;
    this.type = type;
    this.help = help;
    this.#sources = sources;
  }

  async get(): Promise<{
    name: string;
    help: string;
    type: string;
    aggregator: string;
    values: ExposedValue[];
  }> {
    const read = await this.#sources.read();
    const { name, help, type, aggregator } = this;
    const values = read.flatMap((metrics) => valuesOf(name, metrics[this.#name]));
    return { name, help, type, aggregator, values };
  }

  /** Nothing to do: the values are the log's. */
  reset(): void {}
}
