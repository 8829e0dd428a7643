// Metrics as Prometheus reads them: its text format 0.0.4, and the single values that it is made of.

import type { MetricFamily, MetricLabels, WalMetrics } from './metrics.js';

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One line of the text: a histogram has one for each bucket, its sum and its count. */
export interface ExposedValue {
  readonly metricName: string;
  readonly labels: MetricLabels;
  readonly value: number;
}

export function expose(metrics: WalMetrics): string {
  const families = Object.entries(metrics) as [string, MetricFamily][];
  return families
    .map(([name, family]) => {
      const values = valuesOf(name, family).map(
        ({ metricName, labels, value }) => `${metricName}${labelText(labels)} ${numberText(value)}\n`,
      );
      return `# HELP ${name} ${family.help}\n# TYPE ${name} ${family.type}\n${values.join('')}`;
    })
    .join('');
}

export function valuesOf(name: string, family: MetricFamily): ExposedValue[] {
  if (family.type !== 'histogram') return family.samples.map((sample) => ({ metricName: name, ...sample }));
  return family.samples.flatMap(({ labels, buckets, count, sum }) => [
    ...[...buckets, { le: Infinity, count }].map((bucket) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: numberText(bucket.le) },
      value: bucket.count,
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]);
}

function labelText(labels: MetricLabels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${parts.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

function numberText(value: number): string {
  return value === Infinity ? '+Inf' : String(value);
}
