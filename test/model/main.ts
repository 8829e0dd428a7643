// `npm run test:model [-- --runs N --seed S --path P --corrupts]`: random lives of a log against the model of its
// promises, a quarter of them on a disk that changes bits. A failing one says how to have it again.

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { checkSequences } from './sequences.js';

const PROGRESS_EVERY = 100;
/** Shrinking lives sequences, too, and one that hangs takes its time: a first answer soon is worth more than the shortest. */
const SEARCH_MS_MAX = 30 * 60_000;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    path: { type: 'string' },
    corrupts: { type: 'boolean' },
  },
});
const { path, corrupts } = values;
const runs = wholeNumber('--runs', values.runs);
const seed = wholeNumber('--seed', values.seed);

try {
  if (path !== undefined) {
    await live(1, corrupts ?? false);
  } else if (corrupts !== undefined) {
    await live(runs, corrupts);
  } else {
    const corrupted = Math.floor(runs / 4);
    await live(runs - corrupted, false);
    await live(corrupted, true);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function live(count: number, onBadDisk: boolean): Promise<void> {
  const what = `${count} sequences${onBadDisk ? ' on a disk that changes bits' : ''}, seed ${seed}`;
  console.log(what);
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  let kept = 0;
  const onKept = () => {
    if (++kept % PROGRESS_EVERY === 0) console.log(`${kept} of ${count}, ${seconds()}`);
  };
  await checkSequences({ runs: count, seed, path, corrupts: onBadDisk, searchMsMax: SEARCH_MS_MAX, onKept });
  console.log(`ok: ${what}, ${seconds()}`);
}

function wholeNumber(option: string, text: string): number {
  if (!/^-?\d{1,10}$/.test(text)) throw new TypeError(`expected ${option} to be a whole number, got ${text}`);
  return Number(text);
}
