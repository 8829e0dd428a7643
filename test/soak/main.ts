// `npm run test:soak -- [--minutes N] [--max-bytes 64MB,256MB] [--rate 8MB] [--dir D]`: a service at work for so long
// with each budget; its disk and memory must stay within bounds. A chart of both goes to test-output/.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import bytes from 'bytes';
import type { Sample } from './load.js';
import { Load } from './load.js';

const MIB = 1_048_576;
/** What the folder may hold over the budget, and the process over what it began with. */
const DISK_OVER_MAX = 32 * MIB;
const RSS_OVER_MAX = 150 * MIB;
/** Looked at so often, told so often. */
const SAMPLE_MS = 250;
const TELL_MS = 5000;
const OUTPUT = 'test-output';

/** Works with one budget; returns what went over its bounds, a sentence each. */
async function soak(
  maxBytes: number,
  varDir: string,
  minutes: number,
  bytesPerSecond: number,
): Promise<string[]> {
  const load = await Load.open({ varDir, maxBytes, minutes, bytesPerSecond });
  const samples: Sample[] = [await load.sample()];
  const over = new AbortController();
  const sampling = (async () => {
    for (let toldAt = -TELL_MS; !over.signal.aborted;) {
      const sample = await load.sample();
      samples.push(sample);
      if (sample.at * 1000 - toldAt >= TELL_MS) {
        toldAt = sample.at * 1000;
        tell(sample);
      }
      await sleep(SAMPLE_MS, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  try {
    await load.run();
  } finally {
    over.abort();
    await sampling;
    await load.close();
  }
  return await judge(samples, maxBytes, load.refused);
}

function tell({ at, disk, rss, backlog, appended, isSinkUp }: Sample): void {
  const columns = [
    `${at.toFixed(0)} s`.padStart(6),
    `disk ${mib(disk)}`,
    `rss ${mib(rss)}`,
    `backlog ${mib(backlog)}`,
    `appended ${mib(appended)}`,
    isSinkUp ? '' : 'receiver down',
  ];
  console.log(columns.join('   ').trimEnd());
}

async function judge(samples: readonly Sample[], maxBytes: number, refused: number): Promise<string[]> {
  const rssAtStart = samples[0]!.rss;
  const most = (of: (sample: Sample) => number) =>
    samples.reduce((max, sample) => Math.max(max, of(sample)), 0);
  const disk = most((sample) => sample.disk);
  const rss = most((sample) => sample.rss);
  const name = `soak-${Math.round(maxBytes / MIB)}MiB`;
  await mkdir(OUTPUT, { recursive: true });
  // Only now: what draws would count as memory of the log.
  const { chartOf } = await import('./chart.js');
  const bounds = { disk: maxBytes + DISK_OVER_MAX, rss: rssAtStart + RSS_OVER_MAX };
  await writeFile(
    join(OUTPUT, `${name}.svg`),
    await chartOf(`a budget of ${mib(maxBytes)}`, samples, maxBytes, bounds),
  );
  await writeFile(join(OUTPUT, `${name}.json`), JSON.stringify(samples));
  console.log(
    `budget ${mib(maxBytes)}: at most ${mib(disk)} on disk (${mib(disk - maxBytes)} over), rss ${mib(rssAtStart)} at first, ` +
      `${mib(rss)} at most; ${refused} audit events refused; ${join(OUTPUT, `${name}.svg`)}`,
  );
  return [
    disk > bounds.disk && `the folder held ${mib(disk)}, ${mib(bounds.disk)} were allowed`,
    rss > bounds.rss && `the process held ${mib(rss)}, ${mib(bounds.rss)} were allowed`,
  ].filter((problem) => problem !== false);
}

function mib(value: number): string {
  return `${(value / MIB).toFixed(1)} MiB`;
}

function sizeOf(option: string, text: string): number {
  const size = bytes.parse(text);
  if (size === null || size < MIB) throw new TypeError(`expected ${option} to be at least 1MB, got ${text}`);
  return size;
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    'max-bytes': { type: 'string', default: '64MB,256MB' },
    rate: { type: 'string', default: '8MB' },
    dir: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new TypeError(`expected --minutes to be a number above 0, got ${values.minutes}`);
const budgets = values['max-bytes'].split(',').map((text) => sizeOf('--max-bytes', text));
const rate = sizeOf('--rate', values.rate);
const problems: string[] = [];
for (const budget of budgets) {
  const varDir = await mkdtemp(join(values.dir ?? tmpdir(), 'nv-wal-soak-'));
  try {
    console.log(`\na budget of ${mib(budget)}, ${minutes} minutes at ${mib(rate)} a second`);
    problems.push(...(await soak(budget, varDir, minutes, rate)));
  } finally {
    await rm(varDir, { recursive: true, force: true });
  }
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
