// Results as Markdown for people. Pure.

import type { Day, Growth } from './growth/job.js';
import type { ContenderName, Measurement, Metric } from './job.js';
import type { Machine } from './machine.js';
import { CONTENDERS, METRICS, metricNames } from './names.js';
import type { Reach } from './reach.js';
import { reachOf, shortCount, verdictOf } from './reach.js';
import type { Absent, Result } from './run.js';
import type { Spread } from './statistics.js';
import { spreadOf } from './statistics.js';

/** Everything that a run found; what is kept as JSON. */
export interface Report {
  readonly machine: Machine;
  readonly repetitions: number;
  readonly absent: Absent;
  readonly results: readonly Result[];
  readonly growth?: Growth;
  readonly day?: Day;
}

const MIB = 1_048_576;

export function markdownOf(report: Report): string {
  const { machine, repetitions, absent, results, growth, day } = report;
  const reach = reachOf(report);
  const measured = metricNames.filter((metric) =>
    results.some(({ measurements }) =>
      Object.values(measurements)
        .flat()
        .some((one) => metric in one),
    ),
  );
  return [
    ...heading(machine, repetitions),
    ...Object.entries(absent).map(([name, reason]) => `Not here: ${name}: ${reason}.`),
    ...section('What is wanted', reach.length, () =>
      table(['what', 'reached', 'lowest to highest', 'wanted', 'verdict'], reach.map(reachRow), 1),
    ),
    ...section('Side by side', results.length, () =>
      table(
        ['what', 'of', 'times', 'lowest to highest'],
        results.flatMap((result) => result.workload.against.flatMap((name) => ratioRow(result, name))),
      ),
    ),
    ...section('Figures', results.length, () =>
      table(
        ['what', 'by', ...measured.map((metric) => METRICS[metric].title)],
        results.flatMap((result) => figureRows(result, measured)),
      ),
    ),
    ...(growth ? section('Growth', growth.at.length, () => growthTable(growth)) : []),
    ...(day ? section('A day in minutes', 1, () => [daySentence(day)]) : []),
    '',
  ].join('\n');
}

function section(title: string, rows: number, lines: () => string[]): string[] {
  return rows === 0 ? [] : ['', `### ${title}`, '', ...lines()];
}

function heading(machine: Machine, repetitions: number): string[] {
  const { os, cpu, cores, memoryBytes, fileSystem, node, versions, commit, at } = machine;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${at}, commit ${commit ?? 'unknown'}, Node ${node}, ${packages.join(', ')}.`,
    `${os}, ${cores} × ${cpu}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB, ${fileSystem}.`,
    `Medians of up to ${repetitions} repetitions in turns; ratios above 1.00: this library is better.`,
  ];
}

function reachRow(reach: Reach): string[] {
  const { what, unit, digits, wanted, spread } = reach;
  const bound =
    'atLeast' in wanted
      ? `at least ${figure(wanted.atLeast, digits)}`
      : `at most ${figure(wanted.atMost, digits)}`;
  return [
    what,
    spread ? `${figure(spread.median, digits)} ${unit}` : unit,
    spread ? range(spread, digits) : '',
    bound,
    verdictOf(reach),
  ];
}

/** How the library compares with a contender: the rate; what else is wanted stands above. */
function ratioRow({ workload, ratios }: Result, against: ContenderName): string[][] {
  const metric: Metric = 'recordsPerSecond';
  const ratio = ratios[against]?.[metric];
  if (!ratio) return [];
  return [[workload.title, CONTENDERS[against], figure(ratio.median, 2), range(ratio, 2)]];
}

function figureRows({ workload, measurements }: Result, metrics: readonly Metric[]): string[][] {
  return (Object.entries(measurements) as [ContenderName, readonly Measurement[]][]).map(([name, all]) => [
    workload.title,
    CONTENDERS[name],
    ...metrics.map((metric) => {
      const values = all.flatMap((measurement) => measurement[metric] ?? []);
      return values.length === 0 ? '' : figure(spreadOf(values).median, METRICS[metric].digits);
    }),
  ]);
}

function growthTable({ at, emptyOpenMs }: Growth): string[] {
  const head = [
    'backlog',
    'open ms',
    'stats µs',
    'last 100 ms',
    'append/s',
    'append p99 ms',
    'deliver/s',
    'evict/s',
    'drain/s',
    'RSS + MiB',
    'disk B/record',
    'wire B/record',
  ];
  const rows = at.map(({ backlog, cycles, drain, diskBytes, wireBytes }) => {
    const median = (of: (cycle: (typeof cycles)[number]) => number, digits: number) =>
      figure(spreadOf(cycles.map(of)).median, digits);
    const highest = Math.max(...drain.samples.map(({ rssBytes }) => rssBytes));
    return [
      shortCount(backlog),
      median(({ openMs }) => openMs, 0),
      median(({ statsUs }) => statsUs, 1),
      median(({ dumpMs }) => dumpMs, 1),
      median(({ appendPerSecond }) => appendPerSecond, 0),
      median(({ appendP99Ms }) => appendP99Ms, 1),
      median(({ deliverPerSecond }) => deliverPerSecond, 0),
      median(({ evictPerSecond }) => evictPerSecond, 0),
      figure(drain.recordsPerSecond, 0),
      figure((highest - drain.samples[0]!.rssBytes) / MIB, 0),
      figure(diskBytes / backlog, 0),
      figure(wireBytes / backlog, 0),
    ];
  });
  const empty = ['0', figure(spreadOf(emptyOpenMs).median, 0), ...head.slice(2).map(() => '')];
  return table(head, [empty, ...rows], 1);
}

function daySentence({ minutes, maxBytes, samples, appended, delivered, dropped }: Day): string {
  const most = (of: (sample: (typeof samples)[number]) => number) => Math.max(...samples.map(of));
  const disk = most(({ diskBytes }) => diskBytes);
  const rss = most(({ rssBytes }) => rssBytes) - (samples[0]?.rssBytes ?? 0);
  return (
    `24 hours in ${minutes} min: ${figure(appended, 0)} records appended, ${figure(delivered, 0)} delivered, ` +
    `${figure(dropped, 0)} dropped while the receiver was down; at most ${figure(disk / MIB, 0)} MiB on disk with a ` +
    `budget of ${figure(maxBytes / MIB, 0)} MiB, and ${figure(rss / MIB, 0)} MiB of memory over the first hour's.`
  );
}

function range({ lowest, highest }: Spread, digits: number): string {
  return `${figure(lowest, digits)} to ${figure(highest, digits)}`;
}

export function figure(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Aligned, so that it also reads as text; all columns but the first few are figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], words = 2): string[] {
  const widths = head.map((title, n) =>
    Math.max(3, ...[title, ...rows.map((row) => row[n] ?? '')].map((cell) => cell.length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => (n < words ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!))).join(' | ')} |`;
  const rule = widths.map((width, n) => (n < words ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)];
}
