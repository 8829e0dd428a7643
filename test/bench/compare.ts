// What got slower since a run before. Pure.
//
// Ratios are compared, because both sides of one were measured in the same minute on the same machine; a figure only
// where nobody else did the same work. A change counts where it is more than a twentieth, and neither median lies
// within what the other run saw.

import type { Growth } from './growth/job.js';
import type { Metric } from './job.js';
import { CONTENDERS, METRICS, metricNames } from './names.js';
import { reachOfGrowth } from './reach.js';
import type { Report } from './report.js';
import { figure, table } from './report.js';
import type { Result } from './run.js';
import type { Spread } from './statistics.js';
import { spreadOf } from './statistics.js';

export interface Change {
  readonly what: string;
  readonly unit: string;
  readonly before: Spread;
  readonly now: Spread;
  /** How many times better it is now. */
  readonly times: number;
  readonly verdict: 'slower' | 'faster' | 'the same';
}

/** Below, it is noise whatever the spread says. */
const CHANGE_MIN = 0.05;
const MORE_IS_BETTER: ReadonlySet<Metric> = new Set(['recordsPerSecond']);
/** Whose ratios say what another metric's say. */
const ALIKE: ReadonlySet<Metric> = new Set(['storedToWire']);

interface Comparable {
  /** The work, to the last number: a short run says nothing about a long one. */
  readonly job: string;
  readonly what: string;
  readonly unit: string;
  readonly spread: Spread;
  readonly more: 'better' | 'worse';
}

/** What both runs measured in the same way, the worst first. */
export function compare(before: Report, now: Report): Change[] {
  const keyOf = ({ job, what, unit }: Comparable) => [job, what, unit].join('\n');
  const old = new Map(comparablesOf(before).map((one) => [keyOf(one), one.spread]));
  const changes = comparablesOf(now).flatMap((one): Change[] => {
    const { what, unit, spread, more } = one;
    const then = old.get(keyOf(one));
    return then ? [{ what, unit, before: then, now: spread, ...changeOf(then, spread, more) }] : [];
  });
  return changes.toSorted((a, b) => a.times - b.times);
}

export function changeOf(
  before: Spread,
  now: Spread,
  more: Comparable['more'],
): Pick<Change, 'times' | 'verdict'> {
  const times = more === 'better' ? now.median / before.median : before.median / now.median;
  const isApart = !isWithin(now.median, before) && !isWithin(before.median, now);
  if (!isApart || Math.abs(times - 1) <= CHANGE_MIN) return { times, verdict: 'the same' };
  return { times, verdict: times < 1 ? 'slower' : 'faster' };
}

export function comparisonOf(changes: readonly Change[]): string {
  if (changes.length === 0) return 'Nothing was measured in the same way in both.\n';
  const told = changes.filter(({ verdict }) => verdict !== 'the same');
  const slower = told.filter(({ verdict }) => verdict === 'slower').length;
  const counts = `${slower} slower, ${told.length - slower} faster, ${changes.length - told.length} the same.`;
  if (told.length === 0) return `${counts}\n`;
  const rows = told.map(({ what, unit, before, now, times, verdict }) => [
    what,
    unit,
    ...[before, now].flatMap(({ median, lowest, highest }) => [
      short(median),
      `${short(lowest)} to ${short(highest)}`,
    ]),
    `${figure(times, 2)} ×`,
    verdict,
  ]);
  const head = ['what', 'in', 'before', 'range', 'now', 'range', 'times as good', 'verdict'];
  return [...table(head, rows), '', counts, ''].join('\n');
}

function comparablesOf({ results, growth }: Report): Comparable[] {
  return [...results.flatMap(comparablesOfResult), ...(growth ? comparablesOfGrowth(growth) : [])];
}

function comparablesOfGrowth(growth: Growth): Comparable[] {
  const job = JSON.stringify([growth.work, growth.at.map(({ backlog }) => backlog)]);
  return reachOfGrowth(growth).flatMap(({ what, unit, wanted, spread }): Comparable[] =>
    spread ? [{ job, what, unit, spread, more: 'atLeast' in wanted ? 'better' : 'worse' }] : [],
  );
}

function comparablesOfResult({ workload, measurements, ratios }: Result): Comparable[] {
  const job = JSON.stringify(workload.job);
  return metricNames.flatMap((metric): Comparable[] => {
    const { word, unit } = METRICS[metric];
    const what = `${workload.title}: ${word}`;
    const others = workload.against.flatMap((name): Comparable[] => {
      const spread = ratios[name]?.[metric];
      return spread ? [{ job, what, unit: `× ${CONTENDERS[name]}`, spread, more: 'better' }] : [];
    });
    if (workload.against.length > 0) return ALIKE.has(metric) ? [] : others;
    const values = (measurements.wal ?? []).flatMap((one) => one[metric] ?? []);
    if (values.length === 0) return [];
    return [
      { job, what, unit, spread: spreadOf(values), more: MORE_IS_BETTER.has(metric) ? 'better' : 'worse' },
    ];
  });
}

function isWithin(value: number, { lowest, highest }: Spread): boolean {
  return value >= lowest && value <= highest;
}

/** Three digits of it. */
function short(value: number): string {
  return Math.abs(value) >= 100 ? figure(value, 0) : figure(value, 2);
}
