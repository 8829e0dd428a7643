// The shape of growth, memory while draining, and a day, as Vega-Lite has them. Pure.

import type { ChartSpec } from '../../helpers/chart.js';
import { LIMIT_COLOR } from '../../helpers/chart.js';
import { shortCount } from '../reach.js';
import { spreadOf } from '../statistics.js';
import type { Cycle, Day, Growth, GrowthAt } from './job.js';

const MIB = 1_048_576;
const WIDTH = 640;
const RSS_OVER_MIB_MAX = 100;
const SLOWER_MIN = 0.9;
const PACE_TICKS = [0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.25, 2, 5, 10];

const PACES: readonly [string, (cycle: Cycle) => number][] = [
  ['append, 1,024 producers', ({ appendPerSecond }) => appendPerSecond],
  ['delivery', ({ deliverPerSecond }) => deliverPerSecond],
  ['evict', ({ evictPerSecond }) => evictPerSecond],
  ['stats', ({ statsUs }) => 1 / statsUs],
  ['dump of the last 100', ({ dumpMs }) => 1 / dumpMs],
];

export function growthCharts(growth: Growth | undefined, day: Day | undefined): Map<string, ChartSpec> {
  const charts = new Map<string, ChartSpec>();
  if (growth && growth.at.length > 0) {
    charts.set('growth.svg', growthChart(growth));
    charts.set('drain.svg', drainChart(growth));
  }
  if (day && day.samples.length > 0) charts.set('day.svg', dayChart(day));
  return charts;
}

type Panel = Extract<ChartSpec, { vconcat: unknown }>['vconcat'][number];

function growthChart(growth: Growth): ChartSpec {
  const { at, emptyOpenMs, work } = growth;
  const smallest = at[0]!;
  const paces = at.flatMap((one) =>
    PACES.map(([name, paceOf]) => ({ name, ...placeOf(one), ...ratiosTo(smallest, one, paceOf) })),
  );
  const opens = at.map((one) => ({ ...placeOf(one), ...spreadOf(one.cycles.map(({ openMs }) => openMs)) }));
  const disks = at.flatMap((one) => [
    { name: 'on disk', ...placeOf(one), bytes: one.diskBytes / one.backlog },
    { name: 'on the wire', ...placeOf(one), bytes: one.wireBytes / one.backlog },
  ]);
  const x = {
    field: 'at',
    type: 'ordinal' as const,
    title: 'records in the backlog',
    sort: at.map((one) => placeOf(one).at),
    axis: { labelAngle: 0 },
  };
  const name = { field: 'name', type: 'nominal' as const, title: null, sort: null };
  return {
    title: {
      text: 'The same work at backlogs of different size',
      subtitle: `${shortCount(work)} records of each kind of work; line: lowest to highest of ${smallest.cycles.length} cycles in turns; red: allowed at least`,
      anchor: 'start',
      offset: 14,
    },
    resolve: { scale: { color: 'independent', xOffset: 'independent' } },
    vconcat: [
      {
        width: WIDTH,
        height: 220,
        data: { values: paces },
        layer: [
          rule(SLOWER_MIN),
          rule(1, '#555555'),
          {
            mark: { type: 'rule', strokeWidth: 2, opacity: 0.6 },
            encoding: {
              x,
              xOffset: name,
              y: { field: 'lowest', type: 'quantitative' },
              y2: { field: 'highest' },
              color: name,
            },
          },
          {
            mark: { type: 'point', filled: true, size: 60, opacity: 1 },
            encoding: {
              x,
              xOffset: name,
              y: {
                field: 'median',
                type: 'quantitative',
                title: `pace, times that at ${shortCount(smallest.backlog)}`,
                scale: { type: 'log', nice: false, padding: 8 },
                axis: { values: PACE_TICKS, format: '~f' },
              },
              color: name,
            },
          },
        ],
      },
      {
        width: WIDTH,
        height: 120,
        data: { values: opens },
        layer: [
          {
            mark: { type: 'bar', width: 30, color: '#1f5fa8' },
            encoding: { x, y: { field: 'median', type: 'quantitative', title: 'ms to open' } },
          },
          {
            mark: { type: 'rule', strokeWidth: 2 },
            encoding: { x, y: { field: 'lowest', type: 'quantitative' }, y2: { field: 'highest' } },
          },
          {
            data: { values: [{ ms: spreadOf(emptyOpenMs).median, text: 'an empty log' }] },
            mark: { type: 'rule', strokeDash: [6, 4], color: '#555555' },
            encoding: { y: { field: 'ms', type: 'quantitative' } },
          },
          {
            data: { values: [{ ms: spreadOf(emptyOpenMs).median, text: 'an empty log' }] },
            mark: { type: 'text', align: 'left', dx: 4, dy: -6, color: '#555555', x: 0 },
            encoding: { y: { field: 'ms', type: 'quantitative' }, text: { field: 'text' } },
          },
        ],
      },
      {
        width: WIDTH,
        height: 120,
        data: { values: disks },
        mark: { type: 'bar', width: 24 },
        encoding: {
          x,
          xOffset: name,
          y: { field: 'bytes', type: 'quantitative', title: 'bytes per record' },
          color: name,
        },
      },
    ],
  };
}

function placeOf({ backlog }: GrowthAt): { at: string } {
  return { at: shortCount(backlog) };
}

function ratiosTo(smallest: GrowthAt, one: GrowthAt, paceOf: (cycle: Cycle) => number) {
  return spreadOf(one.cycles.map((cycle, n) => paceOf(cycle) / paceOf(smallest.cycles[n]!)));
}

function rule(at: number, color = LIMIT_COLOR) {
  return {
    mark: { type: 'rule' as const, strokeDash: [6, 4], color },
    encoding: { y: { datum: at } },
  };
}

function drainChart({ at }: Growth): ChartSpec {
  const values = at.flatMap(({ backlog, drain: { samples } }) =>
    samples.map((sample) => ({
      name: shortCount(backlog),
      share: 1 - sample.backlog / backlog,
      mib: (sample.rssBytes - samples[0]!.rssBytes) / MIB,
    })),
  );
  return {
    title: {
      text: 'Memory of the process while a backlog is drained',
      subtitle: 'resident set over what it was before the first batch; red: allowed at most',
      anchor: 'start',
      offset: 14,
    },
    width: WIDTH,
    height: 260,
    data: { values },
    layer: [
      rule(RSS_OVER_MIB_MAX),
      {
        mark: { type: 'line', strokeWidth: 1.5 },
        encoding: {
          x: {
            field: 'share',
            type: 'quantitative',
            title: 'share of the backlog that was delivered',
            axis: { format: '%' },
          },
          y: { field: 'mib', type: 'quantitative', title: 'MiB over the start' },
          color: {
            field: 'name',
            type: 'nominal',
            title: 'backlog',
            sort: at.map(({ backlog }) => shortCount(backlog)),
          },
          order: { field: 'share', type: 'quantitative' },
        },
      },
    ],
  };
}

function dayChart(day: Day): ChartSpec {
  const { samples, outages, maxBytes, minutes } = day;
  const panel = (
    title: string,
    series: Readonly<Record<string, (sample: Day['samples'][number]) => number>>,
    limit?: { text: string; value: number },
  ): Panel => ({
    width: WIDTH,
    height: 120,
    layer: [
      {
        data: { values: [...outages] },
        mark: { type: 'rect', color: '#ececec' },
        encoding: { x: { field: 'from', ...hours }, x2: { field: 'to' } },
      },
      ...(limit
        ? [
            {
              data: { values: [limit] },
              mark: { type: 'rule' as const, strokeDash: [6, 4], color: LIMIT_COLOR },
              encoding: { y: { field: 'value', type: 'quantitative' as const } },
            },
            {
              data: { values: [limit] },
              mark: {
                type: 'text' as const,
                align: 'left' as const,
                dx: 6,
                dy: -6,
                color: LIMIT_COLOR,
                x: 0,
              },
              encoding: {
                y: { field: 'value', type: 'quantitative' as const },
                text: { field: 'text' },
              },
            },
          ]
        : []),
      {
        data: {
          values: Object.entries(series).flatMap(([name, of]) =>
            samples.map((sample) => ({ name, hour: sample.hour, value: of(sample) })),
          ),
        },
        mark: { type: 'line', strokeWidth: 1.5 },
        encoding: {
          x: { field: 'hour', ...hours },
          y: { field: 'value', type: 'quantitative', title },
          color: { field: 'name', type: 'nominal', title: null, sort: null },
        },
      },
    ],
  });
  return {
    title: {
      text: `A day in ${minutes} minutes`,
      subtitle: 'shaded: the receiver is down',
      anchor: 'start',
      offset: 14,
    },
    resolve: { scale: { color: 'independent' } },
    vconcat: [
      panel('records/s', {
        appended: ({ appendedPerSecond }) => appendedPerSecond,
        delivered: ({ deliveredPerSecond }) => deliveredPerSecond,
      }),
      panel(
        'MiB',
        {
          'folder on disk': ({ diskBytes }) => diskBytes / MIB,
          backlog: ({ backlogBytes }) => backlogBytes / MIB,
        },
        { text: `budget, ${maxBytes / MIB} MiB`, value: maxBytes / MIB },
      ),
      panel('ms to append', {
        p50: ({ latencyP50Ms }) => latencyP50Ms,
        p99: ({ latencyP99Ms }) => latencyP99Ms,
      }),
      panel('MiB of memory', { RSS: ({ rssBytes }) => rssBytes / MIB }),
    ],
  };
}

const hours = {
  type: 'quantitative',
  title: 'hour of the day',
  scale: { domain: [0, 24] as number[], nice: false },
  axis: { tickCount: 24, labelOverlap: true },
} as const;
