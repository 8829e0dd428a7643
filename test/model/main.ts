// `npm run test:model [-- --runs N --seed S --path P --corrupts]`: random lives of a log against the model of its
// promises; without a path, a quarter of them on a disk that changes bits. A failing one says its seed and path.

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { checkSequences } from './sequences.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    path: { type: 'string' },
    corrupts: { type: 'boolean' },
  },
});
const runs = wholeNumber('--runs', values.runs);
const seed = wholeNumber('--seed', values.seed);
const { path, corrupts } = values;

if (path !== undefined || corrupts !== undefined) {
  await live(runs, corrupts ?? false);
} else {
  const corrupted = Math.floor(runs / 4);
  await live(runs - corrupted, false);
  await live(corrupted, true);
}

async function live(count: number, onBadDisk: boolean): Promise<void> {
  const what = `${count} sequences${onBadDisk ? ' on a disk that changes bits' : ''}, seed ${seed}`;
  console.log(what);
  const started = performance.now();
  await checkSequences({ runs: count, seed, corrupts: onBadDisk, ...(path !== undefined && { path }) });
  console.log(`ok: ${what}, ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

function wholeNumber(option: string, text: string): number {
  if (!/^-?\d{1,10}$/.test(text)) throw new TypeError(`expected ${option} to be a whole number, got ${text}`);
  return Number(text);
}
