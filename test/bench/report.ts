// Results as Markdown for people and as JSON for comparing. Pure.

import type { ContenderName, Measurement, Metric } from './job.js';
import type { Machine } from './machine.js';
import type { Result } from './run.js';
import type { Spread } from './statistics.js';
import { spreadOf } from './statistics.js';

/** What `--json` writes. */
export interface Report {
  readonly machine: Machine;
  readonly repetitions: number;
  readonly results: readonly Result[];
}

const NAMES: Record<ContenderName, string> = {
  wal: '@nv/wal',
  file: 'the file',
  undici: 'undici',
};

const COLUMNS: readonly { metric: Metric; title: string; digits: number }[] = [
  { metric: 'recordsPerSecond', title: 'records/s', digits: 0 },
  { metric: 'latencyP50Ms', title: 'p50 ms', digits: 2 },
  { metric: 'latencyP99Ms', title: 'p99 ms', digits: 2 },
  { metric: 'cpuUsPerRecord', title: 'CPU µs/record', digits: 1 },
  { metric: 'receiverCpuUsPerRecord', title: 'receiver CPU µs', digits: 1 },
  { metric: 'loopDelayP99Ms', title: 'loop delay p99 ms', digits: 1 },
  { metric: 'writtenBytesPerRecord', title: 'written B/record', digits: 0 },
  { metric: 'storedBytesPerRecord', title: 'stored B/record', digits: 0 },
];
const WORDS: Readonly<Partial<Record<Metric, string>>> = {
  recordsPerSecond: 'rate',
  latencyP50Ms: 'p50 latency',
};

export function markdownOf({ machine, repetitions, results }: Report): string {
  return [
    ...heading(machine, repetitions),
    '',
    ...table(
      ['what', 'of', 'times', 'lowest to highest', 'wanted'],
      results.flatMap((result) => result.workload.against.flatMap((name) => ratioRows(result, name))),
    ),
    '',
    ...table(['what', 'by', ...COLUMNS.map(({ title }) => title)], results.flatMap(figureRows)),
    '',
  ].join('\n');
}

function heading(machine: Machine, repetitions: number): string[] {
  const { os, cpu, cores, memoryBytes, fileSystem, node, versions, commit, at } = machine;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${at}, commit ${commit ?? 'unknown'}, Node ${node}, ${packages.join(', ')}.`,
    `${os}, ${cores} × ${cpu}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB, ${fileSystem}.`,
    `Medians of up to ${repetitions} repetitions in turns; above 1.00 this library is better.`,
  ];
}

/** How the library compares with a contender: the rate, and whatever else has a goal. */
function ratioRows({ workload, ratios }: Result, against: ContenderName): string[][] {
  const goals = workload.goals.filter((goal) => goal.against === against);
  const metrics = new Set<Metric>([...goals.map((goal) => goal.metric), 'recordsPerSecond']);
  return [...metrics].map((metric) => {
    const ratio = ratios[against]?.[metric];
    const goal = goals.find((other) => other.metric === metric);
    return [
      workload.title,
      WORDS[metric] ?? metric,
      ratio ? `${ratio.median.toFixed(2)} × ${NAMES[against]}` : '',
      ratio ? `${ratio.lowest.toFixed(2)} to ${ratio.highest.toFixed(2)}` : '',
      goal ? goal.atLeast.toFixed(2) : '',
    ];
  });
}

function figureRows({ workload, measurements }: Result): string[][] {
  return (Object.entries(measurements) as [ContenderName, readonly Measurement[]][]).map(([name, all]) => [
    workload.title,
    NAMES[name],
    ...COLUMNS.map(({ metric, digits }) => {
      const values = all.flatMap((measurement) => measurement[metric] ?? []);
      return values.length === 0 ? '' : figure(spreadOf(values), digits);
    }),
  ]);
}

function figure({ median }: Spread, digits: number): string {
  return median.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Aligned, so that it also reads as text; all columns but the first two are figures. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, n) =>
    Math.max(3, ...[title, ...rows.map((row) => row[n] ?? '')].map((cell) => cell.length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => (n < 2 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!))).join(' | ')} |`;
  const rule = widths.map((width, n) => (n < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)];
}
