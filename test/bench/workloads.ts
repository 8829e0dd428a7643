// What is measured, against whom, and what the library is meant to reach. Data only.

import type { ContenderName, Destination, Job, Metric } from './job.js';

export interface Workload {
  /** For the command line and for results. */
  readonly name: string;
  readonly title: string;
  readonly job: Job;
  /** @default 'count' */
  readonly destination?: Destination;
  /** @default as often as all */
  readonly repetitionsMax?: number;
  /** Who else does the same work, in turns with the library. */
  readonly against: readonly ContenderName[];
  readonly goals: readonly Goal[];
}

/** What the library is meant to reach. */
export interface Goal {
  readonly metric: Metric;
  readonly against: ContenderName;
  /** How many times better than the other; below 1, how much worse it may be. */
  readonly atLeast: number;
}

/**
 * How long and how often. Many short turns rather than a few long ones: what else the machine does hits both
 * contenders alike then.
 */
export interface Extent {
  readonly repetitions: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly backlog: number;
  readonly smallBacklog: number;
  /** For receivers that keep what comes. */
  readonly keptBacklog: number;
  readonly keptRepetitionsMax: number;
  /** For the broker, which takes them one by one. */
  readonly brokerBacklog: number;
}

export const FULL: Extent = {
  repetitions: 9,
  warmUpMs: 400,
  measureMs: 1000,
  backlog: 1_000_000,
  smallBacklog: 200_000,
  keptBacklog: 200_000,
  keptRepetitionsMax: 9,
  brokerBacklog: 100_000,
};

/** For CI: to see that it runs, and roughly how fast. */
export const SHORT: Extent = {
  repetitions: 5,
  warmUpMs: 150,
  measureMs: 300,
  backlog: 60_000,
  smallBacklog: 20_000,
  keptBacklog: 20_000,
  keptRepetitionsMax: 1,
  brokerBacklog: 10_000,
};

export function workloadsOf(extent: Extent): Workload[] {
  const { warmUpMs, measureMs, backlog, smallBacklog, keptBacklog } = extent;
  const kept = {
    job: { is: 'deliver', records: keptBacklog, recordsPerEntry: 500 },
    against: [],
    goals: [],
    repetitionsMax: extent.keptRepetitionsMax,
  } as const;
  const append = { is: 'append', recordsPerCall: 1, warmUpMs, measureMs } as const;
  return [
    {
      name: 'append-1',
      title: 'durable append, 1 producer',
      job: { ...append, producers: 1 },
      against: ['file'],
      goals: [{ metric: 'latencyP50Ms', against: 'file', atLeast: 1 }],
    },
    {
      name: 'append-64',
      title: 'durable append, 64 producers',
      job: { ...append, producers: 64 },
      against: ['file'],
      goals: [{ metric: 'recordsPerSecond', against: 'file', atLeast: 1 }],
    },
    {
      name: 'append-1024',
      title: 'durable append, 1,024 producers',
      job: { ...append, producers: 1024 },
      against: ['file'],
      goals: [{ metric: 'recordsPerSecond', against: 'file', atLeast: 0.9 }],
    },
    {
      name: 'append-many',
      title: 'appendMany of 500',
      job: { ...append, producers: 1, recordsPerCall: 500 },
      against: ['file'],
      goals: [{ metric: 'recordsPerSecond', against: 'file', atLeast: 1 }],
    },
    {
      name: 'deliver',
      title: 'delivery of a backlog appended 500 at a time',
      job: { is: 'deliver', records: backlog, recordsPerEntry: 500 },
      against: ['undici'],
      goals: [{ metric: 'recordsPerSecond', against: 'undici', atLeast: 0.8 }],
    },
    {
      name: 'deliver-small',
      title: 'delivery of a backlog appended 64 at a time',
      job: { is: 'deliver', records: smallBacklog, recordsPerEntry: 64 },
      against: ['undici'],
      goals: [],
    },
    {
      ...kept,
      name: 'receive-level',
      title: 'delivery to the receiver, LevelDB store',
      destination: 'level',
    },
    {
      ...kept,
      name: 'receive-postgres',
      title: 'delivery to the receiver, PostgreSQL store',
      destination: 'postgres',
    },
    {
      ...kept,
      job: { ...kept.job, records: extent.brokerBacklog },
      name: 'deliver-jetstream',
      title: 'delivery to JetStream, file store synced every 2 min',
      destination: 'jetstream',
    },
  ];
}
