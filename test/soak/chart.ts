// The soak as a picture: disk and backlog over time with the budget and the bound, and memory below.

import type { TopLevelSpec } from 'vega-lite';
import { LIMIT_COLOR, svgOf } from '../helpers/chart.js';
import type { Sample } from './load.js';

/** Bytes that must not be passed. */
export interface Bounds {
  disk: number;
  rss: number;
}

const MIB = 1_048_576;
const WIDTH = 860;
const SERIES = ['folder on disk', 'backlog', 'memory (RSS)'] as const;
const COLORS = ['#1f5fa8', '#d98b1e', '#3d8b57'];

/** An SVG. */
export async function chartOf(samples: readonly Sample[], maxBytes: number, bounds: Bounds): Promise<string> {
  return await svgOf({
    title: {
      text: `A soak with a budget of ${mib(maxBytes)}`,
      subtitle: 'shaded: the receiver is down',
      anchor: 'start',
    },
    vconcat: [
      panel('MiB on disk', 300, samples, ['folder on disk', 'backlog'], {
        [`budget, ${mib(maxBytes)}`]: maxBytes,
        [`allowed at most, ${mib(bounds.disk)}`]: bounds.disk,
      }),
      panel('MiB of memory', 160, samples, ['memory (RSS)'], {
        [`allowed at most, ${mib(bounds.rss)}`]: bounds.rss,
      }),
    ],
  });
}

type Panel = Extract<TopLevelSpec, { vconcat: unknown }>['vconcat'][number];
type Series = (typeof SERIES)[number];

function panel(
  title: string,
  height: number,
  samples: readonly Sample[],
  series: readonly Series[],
  limits: Readonly<Record<string, number>>,
): Panel {
  const end = samples.at(-1)!.at;
  const x = { type: 'quantitative' as const, title: 'seconds', scale: { domain: [0, end], nice: false } };
  const y = { type: 'quantitative', title } as const;
  const limit = {
    data: { values: Object.entries(limits).map(([name, bytes]) => ({ name, mib: bytes / MIB })) },
  };
  return {
    width: WIDTH,
    height,
    layer: [
      {
        data: { values: outagesOf(samples) },
        mark: { type: 'rect', color: '#ececec' },
        encoding: { x: { field: 'from', ...x }, x2: { field: 'to' } },
      },
      {
        ...limit,
        mark: { type: 'rule', strokeDash: [6, 4], color: LIMIT_COLOR },
        encoding: { y: { field: 'mib', ...y } },
      },
      {
        ...limit,
        mark: { type: 'text', align: 'left', dx: 6, dy: -6, color: LIMIT_COLOR, x: 0 },
        encoding: { y: { field: 'mib', ...y }, text: { field: 'name' } },
      },
      {
        data: { values: series.flatMap((name) => pointsOf(samples, name)) },
        mark: { type: 'line', strokeWidth: 1.5 },
        encoding: {
          x: { field: 'at', ...x },
          y: { field: 'mib', ...y },
          color: {
            field: 'series',
            type: 'nominal',
            title: null,
            scale: { domain: [...SERIES], range: COLORS },
          },
        },
      },
    ],
  };
}

function pointsOf(samples: readonly Sample[], series: Series): { at: number; mib: number; series: Series }[] {
  const bytesOf = {
    'folder on disk': ({ disk }: Sample) => disk,
    backlog: ({ backlog }: Sample) => backlog,
    'memory (RSS)': ({ rss }: Sample) => rss,
  }[series];
  return samples.map((sample) => ({ at: sample.at, mib: bytesOf(sample) / MIB, series }));
}

/** When the receiver was down. */
function outagesOf(samples: readonly Sample[]): { from: number; to: number }[] {
  const outages: { from: number; to: number }[] = [];
  for (const [n, { at, isReceiverUp }] of samples.entries()) {
    if (isReceiverUp) continue;
    const last = outages.at(-1);
    if (last && samples[n - 1]?.isReceiverUp === false) last.to = at;
    else outages.push({ from: at, to: at });
  }
  return outages;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
