// Runs a workload: the library and those that it is measured against take turns, so that a busy minute of the
// machine hits all of them, and each turn's measurements make one ratio.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from './child.js';
import { startDestination } from './destination.js';
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
  /** By contender: how many times better the library is, over the repetitions. */
  readonly ratios: Readonly<Partial<Record<ContenderName, Ratios>>>;
}

/** Above 1 the library is better, whatever the metric. */
export type Ratios = Readonly<Partial<Record<Metric, Spread>>>;

export interface RunOptions {
  /** The folder of the compiled modules. */
  readonly modules: string;
  /** A folder on the disk that is measured. */
  readonly dir: string;
  readonly repetitions: number;
  /** Where CPU profiles go. */
  readonly profiles: string | undefined;
  /** Contenders that are not on this machine. */
  readonly absent: Absent;
}

/** Why a contender can't be measured here. */
export type Absent = Readonly<Partial<Record<ContenderName, string>>>;

export async function runWorkload(whole: Workload, options: RunOptions): Promise<Result> {
  const { modules, dir, repetitions, profiles, absent } = options;
  const workload = { ...whole, against: whole.against.filter((name) => absent[name] === undefined) };
  const names: ContenderName[] = [...workload.against, 'wal'];
  if (profiles !== undefined) await mkdir(profiles, { recursive: true });
  await using destination = await startDestination(workload.destination ?? 'count', modules, dir);
  const children = names.map((name) => ({ name, child: new Child(join(modules, 'subject.js'), [name]) }));
  const measurements: Partial<Record<ContenderName, Measurement[]>> = {};
  try {
    const sinkUrl = await destination.url();
    const turns = Math.min(repetitions, workload.repetitionsMax ?? repetitions);
    for (let n = 0; n < turns; n++) {
      // The one that goes first changes, too.
      for (const { name, child } of n % 2 === 0 ? children : children.toReversed()) {
        const profile = profiles && join(profiles, `${workload.name}-${name}.cpuprofile`);
        const work = await mkdtemp(join(dir, `${name}-`));
        const { job } = workload;
        const receiver = await destination.cpuUs();
        const measurement = await ask(child, { job, dir: work, sinkUrl, ...(profile && { profile }) });
        if (receiver !== undefined && job.is === 'deliver') {
          measurement.receiverCpuUsPerRecord = ((await destination.cpuUs())! - receiver) / job.records;
        }
        await rm(work, { recursive: true });
        (measurements[name] ??= []).push(measurement);
      }
    }
  } finally {
    await Promise.all(children.map(({ child }) => child.stop()));
  }
  const ratios = workload.against.map(
    (name) => [name, ratiosOf(measurements[name] ?? [], measurements.wal ?? [])] as const,
  );
  return { workload, measurements, ratios: Object.fromEntries(ratios) };
}

async function ask(child: Child, request: Request): Promise<Measurement> {
  const reply = (await child.ask(request)) as Reply;
  if (reply.is === 'failed') throw new Error(reply.message);
  return reply.measurement;
}

/** Metrics of which more is better; of all others, less is. */
const MORE_IS_BETTER: ReadonlySet<Metric> = new Set(['recordsPerSecond']);

/** Pairs the repetitions; pure. */
export function ratiosOf(theirs: readonly Measurement[], ours: readonly Measurement[]): Ratios {
  const ratios: Partial<Record<Metric, Spread>> = {};
  for (const metric of Object.keys(ours[0] ?? {}) as Metric[]) {
    const turns = ours.flatMap((measurement, n) => {
      const [their, our] = [theirs[n]?.[metric], measurement[metric]];
      // Nothing is how many times better than nothing?
      if (!their || !our) return [];
      return [MORE_IS_BETTER.has(metric) ? our / their : their / our];
    });
    if (turns.length > 0) ratios[metric] = spreadOf(turns);
  }
  return ratios;
}
