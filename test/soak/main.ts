// `npm run test:soak -- [--minutes N] [--max-bytes 64MB,256MB] [--rate 4MB] [--dir D]`: a service at work for so long
// with each budget; its disk and memory must stay within bounds. A chart of both goes to the output folder.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import bytes from 'bytes';
import { withChild } from '../helpers/child.js';
import type { Sample } from './load.js';
import { Load } from './load.js';

const MIB = 1_048_576;
/** What the folder may hold over the budget, and the process over what it began with. */
const DISK_OVER_MAX = 32 * MIB;
const RSS_OVER_MAX = 150 * MIB;
/** Looked at so often: what is on disk for less than that may be missed. */
const LOOK_MS = 100;
const TELL_S = 5;
/** Of all looks, those that a chart can show. */
const SAMPLES_MAX = 1200;
const RECEIVER = new URL('receiver-process.ts', import.meta.url);

interface Soak {
  maxBytes: number;
  minutes: number;
  bytesPerSecond: number;
  varDir: string;
  output: string;
}

/** Works with one budget; returns what is wrong, a sentence each. */
async function soak(options: Soak): Promise<string[]> {
  const problems: string[] = [];
  await withChild(RECEIVER, [], async (receiver) => {
    const load = await Load.open({ ...options, receiver });
    const samples = new Samples(options.minutes, await load.sample());
    const over = new AbortController();
    const looking = (async () => {
      while (!over.signal.aborted) {
        samples.add(await load.sample());
        await sleep(LOOK_MS, undefined, { signal: over.signal }).catch(() => {});
      }
    })();
    try {
      await load.run();
      problems.push(...(await load.drain()));
    } finally {
      over.abort();
      await looking;
      await load.close();
    }
    problems.push(...(await judge(samples, options, load.refused)));
  });
  return problems;
}

/** What was seen: the most of everything, and for the chart the largest disk of each part of the time. */
class Samples {
  readonly first: Sample;
  readonly shown: Sample[];
  readonly #partS: number;
  #toldAt = -Infinity;
  disk = 0;
  rss = 0;

  constructor(minutes: number, first: Sample) {
    this.first = first;
    this.shown = [first];
    this.#partS = (minutes * 60) / SAMPLES_MAX;
  }

  add(sample: Sample): void {
    this.disk = Math.max(this.disk, sample.disk);
    this.rss = Math.max(this.rss, sample.rss);
    const part = ({ at }: Sample) => Math.floor(at / this.#partS);
    const last = this.shown.at(-1)!;
    if (part(last) < part(sample)) this.shown.push(sample);
    else if (last.disk < sample.disk) this.shown[this.shown.length - 1] = sample;
    if (sample.at - this.#toldAt < TELL_S) return;
    this.#toldAt = sample.at;
    tell(sample);
  }
}

function tell({ at, disk, rss, backlog, appended, isReceiverUp }: Sample): void {
  const columns = [
    `${at.toFixed(0)} s`.padStart(6),
    `disk ${mib(disk)}`,
    `rss ${mib(rss)}`,
    `backlog ${mib(backlog)}`,
    `appended ${mib(appended)}`,
    isReceiverUp ? '' : 'receiver down',
  ];
  console.log(columns.join('   ').trimEnd());
}

async function judge(samples: Samples, { maxBytes, output }: Soak, refused: number): Promise<string[]> {
  const { first, shown, disk, rss } = samples;
  const bounds = { disk: maxBytes + DISK_OVER_MAX, rss: first.rss + RSS_OVER_MAX };
  await mkdir(output, { recursive: true });
  const path = join(output, `soak-${Math.round(maxBytes / MIB)}-MiB.svg`);
  // Only now: what draws would count as memory of the log.
  const { chartOf } = await import('./chart.js');
  await writeFile(path, await chartOf(shown, maxBytes, bounds));
  const spared =
    disk < maxBytes ? `${mib(maxBytes - disk)} under the budget` : `${mib(disk - maxBytes)} over it`;
  console.log(
    `a budget of ${mib(maxBytes)}: at most ${mib(disk)} on disk, ${spared}; rss ${mib(first.rss)} at first, ` +
      `at most ${mib(rss)}; ${refused} audit events refused; ${path}`,
  );
  const problems: string[] = [];
  if (disk > bounds.disk) problems.push(`the folder held ${mib(disk)}, ${mib(bounds.disk)} were allowed`);
  if (rss > bounds.rss) problems.push(`the process held ${mib(rss)}, ${mib(bounds.rss)} were allowed`);
  return problems;
}

function mib(value: number): string {
  return `${(value / MIB).toFixed(1)} MiB`;
}

function sizeOf(option: string, text: string): number {
  const size = bytes.parse(text);
  if (size === null || size < MIB) throw new TypeError(`expected ${option} to be at least 1MB, got ${text}`);
  return size;
}

/** Memory is judged against what a fresh process begins with. */
async function inOwnProcess(budget: string): Promise<boolean> {
  const args = [...process.execArgv, ...process.argv.slice(1), '--max-bytes', budget];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    'max-bytes': { type: 'string', default: '64MB,256MB' },
    rate: { type: 'string', default: '4MB' },
    dir: { type: 'string', default: tmpdir() },
    output: { type: 'string', default: '.soak' },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new TypeError(`expected --minutes to be a number above 0, got ${values.minutes}`);
const bytesPerSecond = sizeOf('--rate', values.rate);
const budgets = values['max-bytes'].split(',');
const sizes = budgets.map((budget) => sizeOf('--max-bytes', budget));
const [maxBytes] = sizes;
if (maxBytes === undefined || sizes.length > 1) {
  for (const budget of budgets) if (!(await inOwnProcess(budget))) process.exitCode = 1;
} else {
  const varDir = await mkdtemp(join(values.dir, 'nv-wal-soak-'));
  try {
    console.log(`\na budget of ${mib(maxBytes)}, ${minutes} minutes at ${mib(bytesPerSecond)} a second`);
    const problems = await soak({ maxBytes, minutes, bytesPerSecond, varDir, output: values.output });
    for (const problem of problems) console.error(`NOT AS PROMISED: ${problem}`);
    if (problems.length > 0) process.exitCode = 1;
  } finally {
    await rm(varDir, { recursive: true, force: true });
  }
}
