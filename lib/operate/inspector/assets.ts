// The page's files, read once: what is not in this list is not served.

import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const SCRIPTS = [
  'main.js',
  'actions.js',
  'chart.js',
  'dom.js',
  'explore.js',
  'format.js',
  'history.js',
  'overview.js',
  'rows.js',
  'server.js',
  'streams.js',
  'theme.js',
];
/** Where the token for actions goes. */
const TOKEN_PLACE = '{{token}}';

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** By file name; the page itself is ''. `token`: '' where nothing may be changed. */
export async function loadAssets(token: string): Promise<ReadonlyMap<string, Asset>> {
  const resolve = createRequire(import.meta.url).resolve;
  const paths = new Map([
    ...['page.css', 'icon.svg', ...SCRIPTS].map((name) => [name, own(name)] as const),
    ['uPlot.js', resolve('uplot/dist/uPlot.iife.min.js')],
    ['uPlot.css', resolve('uplot/dist/uPlot.min.css')],
  ]);
  const assets = new Map<string, Asset>();
  for (const [name, path] of paths) {
    const ending = name.slice(name.lastIndexOf('.') + 1) as keyof typeof TYPES;
    assets.set(name, { type: TYPES[ending], body: await readFile(path) });
  }
  const page = (await readFile(own('index.html'), 'utf8')).replace(TOKEN_PLACE, token);
  assets.set('', { type: TYPES.html, body: Buffer.from(page) });
  return assets;
}

function own(name: string): string {
  return fileURLToPath(new URL(`page/${name}`, import.meta.url));
}
