// Metrics as a line on standard output, for those who read logs and scrape nothing: one JSON object at an
// interval, with the names of ADR-0017 as its members.

import type { Clock } from '../clock.js';
import { systemClock } from '../clock.js';
import { checkInteger } from '../checks.js';
import type { MetricFamily, WalMetrics } from './metrics.js';

export interface PrintMetricsOptions {
  /** How often, in ms. Integer >= 100. @default 60_000 */
  everyMs?: number;
  /** Takes a line, its end included. @default to standard output */
  write?: (line: string) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

/** What is printed: an open log. */
export interface MetricsPrinted {
  metrics(): WalMetrics;
}

/**
 * Prints a log's metrics as one line of JSON, again and again, until the function that it returns is called. Does
 * not keep the process alive.
 *
 * @example const stop = printMetrics(wal, { everyMs: 60_000 });
 */
export function printMetrics(wal: MetricsPrinted, options: PrintMetricsOptions = {}): () => void {
  const { write = (line: string) => void process.stdout.write(line), clock = systemClock } = options;
  const everyMs = checkInteger('everyMs', options.everyMs ?? 60_000, 100);
  const end = new AbortController();
  const print = async () => {
    for (;;) {
      await clock.sleep(everyMs, end.signal);
      if (end.signal.aborted) return;
      try {
        write(metricsLine(wal.metrics(), clock.now()));
      } catch {
        // A line that can't be written is no reason to end, and there is nobody to tell.
      }
    }
  };
  void print();
  return () => end.abort();
}

/**
 * One line: `ts`, the log's service and instance, and each metric, as a number, or by its labels as
 * `{ "audit/default": 3 }`. Of a histogram, its count and sum. Reasons and codes for which nothing was counted are left out.
 */
export function metricsLine(metrics: WalMetrics, ts: number): string {
  const line: Record<string, unknown> = { ts, msg: 'wal metrics', ...ownLabels(metrics) };
  for (const [name, family] of Object.entries(metrics) as [string, MetricFamily][]) {
    for (const { labels, value } of shortValues(family)) {
      if ((labels['reason'] ?? labels['code']) !== undefined && value === 0) continue;
      const key = Object.entries(labels)
        .flatMap(([label, at]) => (label === 'service' || label === 'instance' ? [] : at))
        .join('/');
      if (key === '') line[name] = value;
      else line[name] = { ...(line[name] as object | undefined), [key]: value };
    }
  }
  return `${JSON.stringify(line)}\n`;
}

function ownLabels({ wal_disk_bytes: { samples } }: WalMetrics): object {
  return samples[0]?.labels ?? {};
}

function shortValues(family: MetricFamily): { labels: Readonly<Record<string, string>>; value: unknown }[] {
  return family.type === 'histogram'
    ? family.samples.map(({ labels, count, sum }) => ({ labels, value: { count, sum } }))
    : [...family.samples];
}
