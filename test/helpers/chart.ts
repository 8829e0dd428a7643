// From a Vega-Lite specification to an SVG, in one look for all charts.

import { View, parse } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import { compile } from 'vega-lite';

const LOOK = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 16,
} as const;
const CONFIG = {
  font: 'sans-serif',
  view: { stroke: '#cccccc' },
  axis: { gridColor: '#eeeeee' },
  legend: { labelLimit: 240 },
} as const;

/** What a chart says beyond its look. */
export type ChartSpec = DistributiveOmit<TopLevelSpec, keyof typeof LOOK | 'config'>;
type DistributiveOmit<Spec, Keys extends PropertyKey> = Spec extends unknown ? Omit<Spec, Keys> : never;

/** What must not be passed is drawn in it. */
export const LIMIT_COLOR = '#b03030';

export async function svgOf(chart: ChartSpec): Promise<string> {
  const spec = { ...LOOK, config: CONFIG, ...chart } as TopLevelSpec;
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
