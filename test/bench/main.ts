// `npm run bench [-- OPTIONS]`: measures this library side by side with what could be used instead and with the limits
// of the disk and of HTTP; prints tables, and keeps them with charts. Figures never make it fail; only what can't be
// measured does.

import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../../lib/errors.js';
import { ROOT, build } from './build.js';
import { compare, comparisonOf } from './compare.js';
import { missing } from './destination.js';
import { runDay, runGrowth } from './growth/run.js';
import { lookForContenders } from './here.js';
import { loggerCosts } from './logger.js';
import { describeMachine, isInMemory } from './machine.js';
import { readReport, writeReport } from './output.js';
import type { Report } from './report.js';
import { markdownOf } from './report.js';
import type { Result } from './run.js';
import { runWorkload } from './run.js';
import type { Extent } from './workloads.js';
import { FULL, SHORT, backlogsUpTo, workloadsOf } from './workloads.js';

interface Options {
  short?: true;
  growth?: true;
  largest?: number;
  dir?: string;
  repetitions?: number;
  only?: string[];
  output?: string;
  results?: string;
  compare?: string;
  cpuProf?: string;
}

const GROWTH = 'growth';
const DAY = 'day';
const LOGGER = 'logger';
const NAMES = [...workloadsOf(FULL).map(({ name }) => name), GROWTH, DAY, LOGGER];
const REPETITIONS_MAX = 100;
const BACKLOG_MIN = 10_000;
const BACKLOG_MAX = 100_000_000;

const program = new Command('bench')
  .description('Measures this library side by side with what could be used instead.')
  .option('--short', 'under a minute: to see that it runs, and roughly how fast')
  .option('--growth', 'the same work at larger and larger backlogs too, and a day in minutes')
  .option('--largest <records>', 'the largest backlog of --growth (default: 10000000)', parseBacklog)
  .option(
    '--dir <folder>',
    'where to write, on the disk that is to be measured (default: the temporary folder)',
  )
  .option(
    '--repetitions <n>',
    'how often each contender is measured (default: 9, growth: 5, short: 2)',
    parseRepetitions,
  )
  .addOption(new Option('--only <parts...>', 'measure these alone').choices(NAMES))
  .option('--output <folder>', 'where results and charts go (default: .bench/results, short: .bench/short)')
  .option('--results <file>', 'measure nothing: take these results')
  .option('--compare <file>', 'tell what got slower since these results')
  .option('--cpu-prof <folder>', 'write a CPU profile of each workload and contender, for DevTools')
  .action((options: Options) => bench(options));

async function bench(options: Options): Promise<void> {
  // Looked at first: a file that is none should not be told after an hour.
  const before = options.compare === undefined ? undefined : await readReport(options.compare);
  const report = options.results === undefined ? await measure(options) : await readReport(options.results);
  process.stdout.write(markdownOf(report));
  const output = options.output ?? join(ROOT, '.bench', options.short ? 'short' : 'results');
  const files = await writeReport(output, report);
  process.stdout.write(`\n${relative('', output) || '.'}: ${files.join(', ')}\n`);
  if (before)
    process.stdout.write(`\n### Since ${before.machine.at}\n\n${comparisonOf(compare(before, report))}`);
}

async function measure(options: Options): Promise<Report> {
  const modules = await build();
  const absent = await lookForContenders(!options.short);
  const parent = options.dir ?? (await diskFolder());
  await mkdir(parent, { recursive: true });
  const dir = await mkdtemp(join(parent, 'nv-wal-bench-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The contenders' processes end when this one does.
    process.once(signal, () => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(1);
    });
  }
  try {
    const extent = options.short ? SHORT : FULL;
    const repetitions = options.repetitions ?? extent.repetitions;
    const machine = await describeMachine(dir);
    if (!options.only || options.only.includes(LOGGER)) {
      tell('the cost of a log call …');
      process.stdout.write(await loggerCosts(modules, dir, options.short === true));
    }
    const run = { modules, dir, repetitions, profiles: options.cpuProf, absent };
    const results = await measureWorkloads(extent, options, run);
    return { machine, repetitions, absent, results, ...(await measureGrowth(extent, options, modules, dir)) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measureWorkloads(
  extent: Extent,
  { only }: Options,
  run: Parameters<typeof runWorkload>[1],
): Promise<Result[]> {
  const results: Result[] = [];
  for (const workload of workloadsOf(extent)) {
    if (only && !only.includes(workload.name)) continue;
    const isLate = process.uptime() > extent.secondsMax;
    const reason = isLate ? `${extent.secondsMax} s are over` : missing(workload.destination);
    if (reason !== false) {
      tell(`skipped: ${workload.title}: ${reason}`);
      continue;
    }
    tell(`${workload.title} …`);
    results.push(await runWorkload(workload, run));
  }
  return results;
}

async function measureGrowth(
  extent: Extent,
  { growth, only, largest, repetitions }: Options,
  modules: string,
  dir: string,
): Promise<Pick<Report, 'growth' | 'day'>> {
  const wants = (part: string) => (only ? only.includes(part) : growth === true);
  const where = { modules, dir, tell };
  const { work, dayMinutes } = extent;
  const cycles = repetitions ?? extent.cycles;
  const backlogs = backlogsUpTo(largest ?? extent.largest);
  return {
    ...(wants(GROWTH) && { growth: await runGrowth({ backlogs, work, cycles }, where) }),
    ...(wants(DAY) && { day: await runDay(dayMinutes, where) }),
  };
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The temporary folder, or where that is in memory, the package's own. */
async function diskFolder(): Promise<string> {
  return (await isInMemory(tmpdir())) ? join(ROOT, '.bench') : tmpdir();
}

function parseRepetitions(text: string): number {
  return parseBetween(text, 1, REPETITIONS_MAX);
}

function parseBacklog(text: string): number {
  return parseBetween(text, BACKLOG_MIN, BACKLOG_MAX);
}

function parseBetween(text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`expected an integer from ${least} to ${most}`);
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
