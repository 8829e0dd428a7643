// What the library is meant to reach, and whether it did. Pure.

import type { Cycle, Day, Growth } from './growth/job.js';
import { CONTENDERS, METRICS } from './names.js';
import type { Report } from './report.js';
import type { Result } from './run.js';
import type { Spread } from './statistics.js';
import { spreadOf } from './statistics.js';
import type { Goal } from './workloads.js';

export type Bound = { readonly atLeast: number } | { readonly atMost: number };

export interface Reach {
  readonly what: string;
  /** What the number counts. */
  readonly unit: string;
  readonly digits: number;
  readonly wanted: Bound;
  /** Absent where it was not measured. */
  readonly spread?: Spread;
}

/** `nearly`: the median does not, and some of the repetitions do. */
export type Verdict = 'reached' | 'nearly' | 'missed' | 'not measured';

const MIB = 1_048_576;
const STORED_MAX = 0.25;
/** None of it slower at the largest backlog by more than a tenth. */
const GROWTH_MIN = 0.9;
const OPEN_OVER_EMPTY_MS_MAX = 100;
const RSS_OVER_MIB_MAX = 100;
/** As in the soak: what compactions write before they delete what they have read. */
const DISK_OVER_MIB_MAX = 32;

/** Work whose pace must not depend on the backlog: higher is better. */
const PACES: Readonly<Record<string, (cycle: Cycle) => number>> = {
  append: ({ appendPerSecond }) => appendPerSecond,
  delivery: ({ deliverPerSecond }) => deliverPerSecond,
  evict: ({ evictPerSecond }) => evictPerSecond,
  stats: ({ statsUs }) => 1 / statsUs,
  'dump of the last 100': ({ dumpMs }) => 1 / dumpMs,
};

export function reachOf({ results, growth, day }: Report): Reach[] {
  const goals = results.flatMap((result) => result.workload.goals.map((goal) => reachOfGoal(result, goal)));
  return [...goals, ...(growth ? reachOfGrowth(growth) : []), ...(day ? reachOfDay(day) : [])];
}

export function verdictOf({ wanted, spread }: Reach): Verdict {
  if (!spread) return 'not measured';
  const { median, lowest, highest } = spread;
  if ('atLeast' in wanted) {
    if (median >= wanted.atLeast) return 'reached';
    return highest >= wanted.atLeast ? 'nearly' : 'missed';
  }
  if (median <= wanted.atMost) return 'reached';
  return lowest <= wanted.atMost ? 'nearly' : 'missed';
}

function reachOfGoal({ workload, measurements, ratios }: Result, goal: Goal): Reach {
  const { word, unit, digits } = METRICS[goal.metric];
  const what = `${workload.title}: ${word}`;
  if ('against' in goal) {
    const spread = ratios[goal.against]?.[goal.metric];
    const of = `× ${CONTENDERS[goal.against]}`;
    return { what, unit: of, digits: 2, wanted: { atLeast: goal.atLeast }, ...(spread && { spread }) };
  }
  const values = (measurements.wal ?? []).flatMap((measurement) => measurement[goal.metric] ?? []);
  const wanted = 'atLeast' in goal ? { atLeast: goal.atLeast } : { atMost: goal.atMost };
  return { what, unit, digits, wanted, ...(values.length > 0 && { spread: spreadOf(values) }) };
}

export function reachOfGrowth({ at, emptyOpenMs }: Growth): Reach[] {
  const smallest = at[0];
  const largest = at.at(-1);
  if (!smallest || !largest) return [];
  const title = shortCount(largest.backlog);
  const paces = Object.entries(PACES).map(([name, paceOf]) => ({
    what: `${name} at a backlog of ${title}`,
    unit: `× at ${shortCount(smallest.backlog)}`,
    digits: 2,
    wanted: { atLeast: GROWTH_MIN },
    spread: spreadOf(largest.cycles.map((cycle, n) => paceOf(cycle) / paceOf(smallest.cycles[n]!))),
  }));
  const [start, ...rest] = largest.drain.samples;
  const highest = Math.max(...rest.map(({ rssBytes }) => rssBytes));
  return [
    ...paces,
    {
      what: `open at a backlog of ${title}`,
      unit: 'ms over an empty log',
      digits: 0,
      wanted: { atMost: OPEN_OVER_EMPTY_MS_MAX },
      spread: spreadOf(largest.cycles.map(({ openMs }, n) => openMs - emptyOpenMs[n]!)),
    },
    {
      what: `memory while ${title} are drained`,
      unit: 'MiB over the start',
      digits: 0,
      wanted: { atMost: RSS_OVER_MIB_MAX },
      spread: spreadOf([(highest - start!.rssBytes) / MIB]),
    },
    {
      what: `disk at a backlog of ${title}`,
      unit: 'of the wire',
      digits: 2,
      wanted: { atMost: STORED_MAX },
      spread: spreadOf([largest.diskBytes / largest.wireBytes]),
    },
  ];
}

/** That all of it is accounted for is checked where it is measured. */
export function reachOfDay({ samples, maxBytes }: Day): Reach[] {
  const [first] = samples;
  if (!first) return [];
  const mostMib = (of: (sample: Day['samples'][number]) => number) => Math.max(...samples.map(of)) / MIB;
  return [
    {
      what: 'disk in a day with an outage',
      unit: 'MiB over the budget',
      digits: 0,
      wanted: { atMost: DISK_OVER_MIB_MAX },
      spread: spreadOf([mostMib(({ diskBytes }) => diskBytes - maxBytes)]),
    },
    {
      what: 'memory in a day with an outage',
      unit: 'MiB over the first hour',
      digits: 0,
      wanted: { atMost: RSS_OVER_MIB_MAX },
      spread: spreadOf([mostMib(({ rssBytes }) => rssBytes - first.rssBytes)]),
    },
  ];
}

/** 10 k, 1 M. */
export function shortCount(count: number): string {
  if (count >= 1_000_000) return `${count / 1_000_000} M`;
  return count >= 1000 ? `${count / 1000} k` : String(count);
}
