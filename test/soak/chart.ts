// The soak as a picture: disk and backlog over time with the budget and the bound, and memory below.

import { View, parse } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import { compile } from 'vega-lite';
import type { Sample } from './load.js';

/** Bytes that must not be passed. */
export interface Bounds {
  disk: number;
  rss: number;
}

const MIB = 1_048_576;
const WIDTH = 900;

/** An SVG. */
export async function chartOf(
  title: string,
  samples: readonly Sample[],
  maxBytes: number,
  bounds: Bounds,
): Promise<string> {
  const disk = [...linesOf(samples, 'disk'), ...linesOf(samples, 'backlog')];
  const limits = [
    { limit: 'budget', value: maxBytes / MIB },
    { limit: 'bound of the disk', value: bounds.disk / MIB },
  ];
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    title: `A soak with ${title}; shaded: the receiver is down`,
    vconcat: [
      panel('MiB on disk', 260, disk, outagesOf(samples), limits),
      panel('MiB of memory', 140, linesOf(samples, 'rss'), outagesOf(samples), [
        { limit: 'bound of the memory', value: bounds.rss / MIB },
      ]),
    ],
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

type Panel = Extract<TopLevelSpec, { vconcat: unknown }>['vconcat'][number];

interface Point {
  at: number;
  mib: number;
  what: string;
}

function linesOf(samples: readonly Sample[], what: 'disk' | 'backlog' | 'rss'): Point[] {
  return samples.map((sample) => ({ at: sample.at, mib: sample[what] / MIB, what }));
}

/** When the receiver was down. */
function outagesOf(samples: readonly Sample[]): { from: number; to: number }[] {
  const outages: { from: number; to: number }[] = [];
  for (const [n, { at, isSinkUp }] of samples.entries()) {
    if (isSinkUp) continue;
    const last = outages.at(-1);
    if (last && samples[n - 1]?.isSinkUp === false) last.to = at;
    else outages.push({ from: at, to: at });
  }
  return outages;
}

function panel(
  title: string,
  height: number,
  points: Point[],
  outages: { from: number; to: number }[],
  limits: { limit: string; value: number }[],
): Panel {
  const x = { type: 'quantitative', title: 'seconds' } as const;
  const y = { type: 'quantitative', title } as const;
  return {
    width: WIDTH,
    height,
    layer: [
      {
        data: { values: outages },
        mark: { type: 'rect', color: '#eeeeee' },
        encoding: { x: { field: 'from', ...x }, x2: { field: 'to' } },
      },
      {
        data: { values: limits },
        mark: { type: 'rule', strokeDash: [6, 4], color: '#aa3333' },
        encoding: { y: { field: 'value', ...y } },
      },
      {
        data: { values: limits },
        mark: { type: 'text', align: 'left', dx: 4, dy: -5, color: '#aa3333', x: { expr: '0' } },
        encoding: { y: { field: 'value', ...y }, text: { field: 'limit' } },
      },
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 1.5 },
        encoding: {
          x: { field: 'at', ...x },
          y: { field: 'mib', ...y },
          color: { field: 'what', type: 'nominal', title: null },
        },
      },
    ],
  };
}
