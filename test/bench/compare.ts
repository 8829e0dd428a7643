// What got slower since a run before. Pure.
//
// Ratios are compared, because both sides of one were measured in the same minute on the same machine; a figure only
// where nobody else did the same work. A change counts where it is more than a twentieth, and neither median lies
// within what the other run saw.

import type { ContenderName, Measurement } from './job.js';
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
const MORE_IS_BETTER = new Set(['recordsPerSecond']);

interface Comparable {
  readonly what: string;
  readonly unit: string;
  readonly spread: Spread;
  readonly more: 'better' | 'worse';
}

/** What both runs measured, the worst first. */
export function compare(before: Report, now: Report): Change[] {
  const old = new Map(comparablesOf(before).map((one) => [`${one.what}, ${one.unit}`, one.spread]));
  const changes = comparablesOf(now).flatMap(({ what, unit, spread, more }): Change[] => {
    const then = old.get(`${what}, ${unit}`);
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
  const growing = (growth ? reachOfGrowth(growth) : []).flatMap(({ what, unit, wanted, spread }) =>
    spread
      ? [{ what, unit, spread, more: 'atLeast' in wanted ? ('better' as const) : ('worse' as const) }]
      : [],
  );
  return [...results.flatMap(comparablesOfResult), ...growing];
}

function comparablesOfResult({ workload, measurements, ratios }: Result): Comparable[] {
  const comparables: Comparable[] = [];
  for (const metric of metricNames) {
    const { word, unit } = METRICS[metric];
    const what = `${workload.title}: ${word}`;
    for (const [name, of] of Object.entries(ratios) as [ContenderName, (typeof ratios)[ContenderName]][]) {
      const spread = of?.[metric];
      if (spread) comparables.push({ what, unit: `× ${CONTENDERS[name]}`, spread, more: 'better' });
    }
    if (Object.keys(ratios).length > 0) continue;
    const values = (measurements.wal ?? []).flatMap((one: Measurement) => one[metric] ?? []);
    if (values.length === 0) continue;
    const more = MORE_IS_BETTER.has(metric) ? 'better' : 'worse';
    comparables.push({ what, unit, spread: spreadOf(values), more });
  }
  return comparables;
}

function isWithin(value: number, { lowest, highest }: Spread): boolean {
  return value >= lowest && value <= highest;
}

/** Three digits of it. */
function short(value: number): string {
  return Math.abs(value) >= 100 ? figure(value, 0) : figure(value, 2);
}
