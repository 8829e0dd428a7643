// Runs a workload: the library and what it is measured against take turns, so that a busy minute of the
// machine hits both, and each turn's two measurements make one ratio.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from './child.js';
import type { ContenderName, Measurement, Metric, Request } from './job.js';
import type { Spread } from './statistics.js';
import { spreadOf } from './statistics.js';
import type { Reply } from './subject.js';
import type { Workload } from './workloads.js';

/** What became of a workload. */
export interface Result {
  readonly workload: Workload;
  /** By contender, in the order of the repetitions. */
  readonly measurements: Readonly<Partial<Record<ContenderName, readonly Measurement[]>>>;
  /** Times the limit, of each repetition; above 1 the library is better, whatever the metric. */
  readonly ratios: Readonly<Partial<Record<Metric, Spread>>>;
}

export interface RunOptions {
  /** The folder of the compiled modules. */
  readonly modules: string;
  /** A folder on the disk that is measured. */
  readonly dir: string;
  readonly repetitions: number;
  /** Where CPU profiles go. */
  readonly profiles: string | undefined;
}

export async function runWorkload(workload: Workload, options: RunOptions): Promise<Result> {
  const { modules, dir, repetitions, profiles } = options;
  const names: ContenderName[] = [workload.against, 'wal'];
  const sink = new Child(join(modules, 'sink.js'));
  const children = names.map((name) => ({ name, child: new Child(join(modules, 'subject.js'), [name]) }));
  const measurements: Partial<Record<ContenderName, Measurement[]>> = {};
  if (profiles !== undefined) await mkdir(profiles, { recursive: true });
  try {
    const { url: sinkUrl } = (await sink.next()) as { url: string };
    for (let n = 0; n < repetitions; n++) {
      // The one that goes first changes, too.
      for (const { name, child } of n % 2 === 0 ? children : children.toReversed()) {
        const profile = profiles && join(profiles, `${workload.name}-${name}.cpuprofile`);
        const work = await mkdtemp(join(dir, `${name}-`));
        const { job } = workload;
        const measurement = await ask(child, { job, dir: work, sinkUrl, ...(profile && { profile }) });
        await rm(work, { recursive: true });
        (measurements[name] ??= []).push(measurement);
      }
    }
  } finally {
    await Promise.all([sink, ...children.map(({ child }) => child)].map((child) => child.stop()));
  }
  return { workload, measurements, ratios: ratiosOf(workload, measurements) };
}

async function ask(child: Child, request: Request): Promise<Measurement> {
  const reply = (await child.ask(request)) as Reply;
  if (reply.is === 'failed') throw new Error(reply.message);
  return reply.measurement;
}

/** Metrics of which more is better; of all others, less is. */
const MORE_IS_BETTER: ReadonlySet<Metric> = new Set(['recordsPerSecond']);

function ratiosOf(workload: Workload, measurements: Result['measurements']): Result['ratios'] {
  const ratios: Partial<Record<Metric, Spread>> = {};
  const limits = measurements[workload.against] ?? [];
  for (const metric of Object.keys(limits[0] ?? {}) as Metric[]) {
    const turns = limits.flatMap((limit, n) => {
      const [theirs, ours] = [limit[metric], measurements.wal?.[n]?.[metric]];
      if (!theirs || !ours) return [];
      return [MORE_IS_BETTER.has(metric) ? ours / theirs : theirs / ours];
    });
    if (turns.length > 0) ratios[metric] = spreadOf(turns);
  }
  return ratios;
}
