// Results as pictures: how the library compares, what each figure is, and the shape of growth. Each is an SVG.

import type { ChartSpec } from '../helpers/chart.js';
import { LIMIT_COLOR, svgOf } from '../helpers/chart.js';
import type { ContenderName, Measurement, Metric } from './job.js';
import { growthCharts } from './growth/charts.js';
import { CONTENDERS, METRICS } from './names.js';
import type { Report } from './report.js';
import type { Result } from './run.js';
import { spreadOf } from './statistics.js';

const WIDTH = 560;
const ROW_HEIGHT = 20;
const COLORS: Record<ContenderName, string> = {
  wal: '#1f5fa8',
  file: '#777777',
  'better-sqlite3': '#d98b1e',
  lmdb: '#3d8b57',
  level: '#8a5aa8',
  'level-groups': '#b88fd0',
  undici: '#444444',
};
const FIGURES: readonly { metric: Metric; file: string; title: string }[] = [
  { metric: 'recordsPerSecond', file: 'rate', title: 'Records per second' },
  { metric: 'latencyP50Ms', file: 'latency-p50', title: 'Latency of one append, median' },
  { metric: 'latencyP99Ms', file: 'latency-p99', title: 'Latency of one append, 99th percentile' },
  { metric: 'cpuUsPerRecord', file: 'cpu', title: 'CPU time per record, all threads of the process' },
  { metric: 'loopDelayP99Ms', file: 'loop-delay', title: 'Delay of the event loop, 99th percentile' },
  { metric: 'writtenBytesPerRecord', file: 'written', title: 'Bytes written to the disk per record' },
];

const REFERENCE = { type: 'rule', color: '#555555', strokeDash: [4, 3] as number[] } as const;
/** How far the ends of an axis must be apart for three ticks a decade to be enough. */
const TICKS_APART = 20;
/** Of the longest name, so that all panels begin at one place. */
const LABELS_WIDTH = 150;
const LABEL = "datum.value < 10 ? format(datum.value, '.2~f') : format(datum.value, '~s')";

interface Dot {
  readonly what: string;
  readonly by: string;
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** A goal. */
  readonly wanted?: number;
}

/** By file name. */
export async function chartsOf(report: Report): Promise<Map<string, string>> {
  const charts = new Map<string, ChartSpec>();
  const { results, growth, day } = report;
  const ratios = results.flatMap(ratioDots);
  if (ratios.length > 0) {
    charts.set('ratios.svg', {
      ...dots(ratios, 'how many times better than the other', 1),
      title: {
        text: '@nv/wal against what could be used instead',
        subtitle: 'right of 1: @nv/wal is better; line: lowest to highest; red tick: wanted at least',
        anchor: 'start',
        offset: 14,
      },
    });
  }
  for (const { metric, file, title } of FIGURES) {
    const figures = results.flatMap((result) => figureDots(result, metric));
    if (figures.length === 0) continue;
    const { unit } = METRICS[metric];
    const subtitle = 'median, and line from the lowest to the highest repetition; logarithmic';
    charts.set(`${file}.svg`, {
      ...dots(figures, unit),
      title: { text: title, subtitle, anchor: 'start', offset: 14 },
    });
  }
  for (const [file, chart] of growthCharts(growth, day)) charts.set(file, chart);
  const drawn = [...charts].map(async ([file, chart]) => [file, await svgOf(chart)] as const);
  return new Map(await Promise.all(drawn));
}

/** The rate, and whatever else is wanted. */
function ratioDots({ workload, ratios }: Result): Dot[] {
  return workload.against.flatMap((name) => {
    const goals = workload.goals.filter((goal) => 'against' in goal && goal.against === name);
    const metrics = new Set<Metric>(['recordsPerSecond', ...goals.map(({ metric }) => metric)]);
    return [...metrics].flatMap((metric) => {
      const spread = ratios[name]?.[metric];
      if (!spread) return [];
      const goal = goals.find((one) => one.metric === metric);
      const wanted = goal && 'atLeast' in goal ? { wanted: goal.atLeast } : {};
      const what = `${workload.title}: ${METRICS[metric].word}`;
      return [{ what, by: CONTENDERS[name], ...spread, ...wanted }];
    });
  });
}

function figureDots({ workload, measurements }: Result, metric: Metric): Dot[] {
  return (Object.entries(measurements) as [ContenderName, readonly Measurement[]][]).flatMap(
    ([name, all]) => {
      const values = all.flatMap((one) => one[metric] ?? []).filter((value) => value > 0);
      return values.length === 0 ? [] : [{ what: workload.title, by: CONTENDERS[name], ...spreadOf(values) }];
    },
  );
}

/** A row for each contender, in a panel for each workload, over one logarithmic axis. */
function dots(values: readonly Dot[], title: string, reference?: number): ChartSpec {
  const ends = values.flatMap(({ lowest, highest, wanted = highest }) => [lowest, highest, wanted]);
  const domain: [number, number] = [
    Math.min(reference ?? Infinity, ...ends) / 1.1,
    Math.max(reference ?? 0, ...ends) * 1.1,
  ];
  const whats = [...new Set(values.map(({ what }) => what))];
  return {
    spacing: 8,
    resolve: { scale: { color: 'shared' } },
    vconcat: whats.map((what, n) =>
      panel(
        what,
        values.filter((dot) => dot.what === what),
        { title, domain, isLast: n === whats.length - 1, reference },
      ),
    ),
  };
}

interface Axis {
  readonly title: string;
  readonly domain: [number, number];
  /** Only the last panel says what the axis is. */
  readonly isLast: boolean;
  readonly reference: number | undefined;
}

type Panel = Extract<ChartSpec, { vconcat: unknown }>['vconcat'][number];

function panel(what: string, values: readonly Dot[], { title, domain, isLast, reference }: Axis): Panel {
  const names = Object.keys(CONTENDERS) as ContenderName[];
  const color = {
    field: 'by',
    type: 'nominal' as const,
    legend: null,
    scale: { domain: names.map((name) => CONTENDERS[name]), range: names.map((name) => COLORS[name]) },
  };
  const x = {
    type: 'quantitative' as const,
    title: isLast ? title : null,
    scale: { type: 'log' as const, domain },
    axis: { values: ticksIn(domain), labelExpr: LABEL, labels: isLast, ticks: isLast, labelOverlap: true },
  };
  const axis = { labelLimit: 200, minExtent: LABELS_WIDTH };
  const y = { field: 'by', type: 'nominal' as const, title: null, sort: Object.values(CONTENDERS), axis };
  return {
    title: { text: what, anchor: 'start', fontSize: 11, frame: 'group' },
    width: WIDTH,
    height: { step: ROW_HEIGHT },
    data: { values: [...values] },
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 2, opacity: 0.6 },
        encoding: { y, x: { field: 'lowest', ...x }, x2: { field: 'highest' }, color },
      },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: { y, x: { field: 'median', ...x }, color },
      },
      {
        mark: { type: 'tick', color: LIMIT_COLOR, thickness: 2 },
        encoding: { y, x: { field: 'wanted', ...x } },
      },
      ...(reference === undefined ? [] : [{ mark: REFERENCE, encoding: { x: { datum: reference, ...x } } }]),
    ],
  };
}

/** Round values between two ends above 0: 1, 2, 5, 10, 20, 50 …, or more of them where those are few. */
function ticksIn([least, most]: readonly [number, number]): number[] {
  const ticks: number[] = [];
  const digits = most / least > TICKS_APART ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
  for (let power = Math.floor(Math.log10(least)); 10 ** power <= most; power++) {
    ticks.push(...digits.map((digit) => digit * 10 ** power));
  }
  return ticks.filter((tick) => tick >= least && tick <= most);
}
