// `npm run bench [-- OPTIONS]`: measures this library side by side with the limits of the disk and of HTTP, and
// prints a table. Figures never make it fail; only what can't be measured does.

import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../../lib/errors.js';
import { ROOT, build } from './build.js';
import { missing } from './destination.js';
import { describeMachine, isInMemory } from './machine.js';
import { markdownOf } from './report.js';
import type { Result } from './run.js';
import { runWorkload } from './run.js';
import { FULL, SHORT, workloadsOf } from './workloads.js';

interface Options {
  short?: true;
  dir?: string;
  repetitions?: number;
  only?: string[];
  json?: string;
  cpuProf?: string;
}

const NAMES = workloadsOf(FULL).map(({ name }) => name);
const REPETITIONS_MAX = 100;

const program = new Command('bench')
  .description('Measures this library side by side with the limits of the disk and of HTTP.')
  .option('--short', 'under a minute: to see that it runs, and roughly how fast')
  .option(
    '--dir <folder>',
    'where to write, on the disk that is to be measured (default: the temporary folder)',
  )
  .option(
    '--repetitions <n>',
    'how often each contender is measured (default: 9, short: 5)',
    parseRepetitions,
  )
  .addOption(new Option('--only <workloads...>', 'measure these alone').choices(NAMES))
  .option('--json <file>', 'write all measurements to this file')
  .option('--cpu-prof <folder>', 'write a CPU profile of each workload and contender, for DevTools')
  .action((options: Options) => bench(options));

async function bench(options: Options): Promise<void> {
  const extent = options.short ? SHORT : FULL;
  const repetitions = options.repetitions ?? extent.repetitions;
  const modules = await build();
  const dir = await mkdtemp(join(options.dir ?? (await diskFolder()), 'nv-wal-bench-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The contenders' processes end when this one does.
    process.once(signal, () => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(1);
    });
  }
  try {
    const machine = await describeMachine(dir);
    const results: Result[] = [];
    for (const workload of workloadsOf(extent)) {
      if (options.only && !options.only.includes(workload.name)) continue;
      const reason = missing(workload.destination);
      if (reason !== false) {
        process.stderr.write(`skipped: ${workload.title}: ${reason}\n`);
        continue;
      }
      process.stderr.write(`${workload.title} …\n`);
      results.push(await runWorkload(workload, { modules, dir, repetitions, profiles: options.cpuProf }));
    }
    const report = { machine, repetitions, results };
    process.stdout.write(markdownOf(report));
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The temporary folder, or where that is in memory, the package's own. */
async function diskFolder(): Promise<string> {
  return (await isInMemory(tmpdir())) ? join(ROOT, '.bench') : tmpdir();
}

function parseRepetitions(text: string): number {
  const repetitions = Number(text);
  if (Number.isInteger(repetitions) && repetitions >= 1 && repetitions <= REPETITIONS_MAX) return repetitions;
  throw new InvalidArgumentError(`expected an integer from 1 to ${REPETITIONS_MAX}`);
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
