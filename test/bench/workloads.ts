// What is measured, against whom, and what the library is meant to reach. Data only.

import type { ContenderName, Job, Metric } from './job.js';

export interface Workload {
  /** For the command line and for results. */
  readonly name: string;
  readonly title: string;
  readonly job: Job;
  /** What sets the limit. */
  readonly against: ContenderName;
  /** Times the limit, at least; more is better for every metric. */
  readonly goals: readonly { readonly metric: Metric; readonly atLeast: number }[];
}

/** How long and how often: `short` is for CI, to see that it runs and roughly how fast. */
export interface Extent {
  readonly repetitions: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly backlog: number;
  readonly smallBacklog: number;
}

export const FULL: Extent = {
  repetitions: 5,
  warmUpMs: 500,
  measureMs: 2000,
  backlog: 1_000_000,
  smallBacklog: 200_000,
};

export const SHORT: Extent = {
  repetitions: 3,
  warmUpMs: 200,
  measureMs: 500,
  backlog: 100_000,
  smallBacklog: 30_000,
};

export function workloadsOf(extent: Extent): Workload[] {
  const { warmUpMs, measureMs, backlog, smallBacklog } = extent;
  const append = { is: 'append', recordsPerCall: 1, warmUpMs, measureMs } as const;
  return [
    {
      name: 'append-1',
      title: 'durable append, 1 producer',
      job: { ...append, producers: 1 },
      against: 'file',
      goals: [{ metric: 'latencyP50Ms', atLeast: 1 }],
    },
    {
      name: 'append-64',
      title: 'durable append, 64 producers',
      job: { ...append, producers: 64 },
      against: 'file',
      goals: [{ metric: 'recordsPerSecond', atLeast: 1 }],
    },
    {
      name: 'append-1024',
      title: 'durable append, 1,024 producers',
      job: { ...append, producers: 1024 },
      against: 'file',
      goals: [{ metric: 'recordsPerSecond', atLeast: 0.9 }],
    },
    {
      name: 'append-many',
      title: 'appendMany of 500',
      job: { ...append, producers: 1, recordsPerCall: 500 },
      against: 'file',
      goals: [{ metric: 'recordsPerSecond', atLeast: 1 }],
    },
    {
      name: 'deliver',
      title: 'delivery of a backlog appended 500 at a time',
      job: { is: 'deliver', records: backlog, recordsPerEntry: 500 },
      against: 'undici',
      goals: [{ metric: 'recordsPerSecond', atLeast: 0.8 }],
    },
    {
      name: 'deliver-small',
      title: 'delivery of a backlog appended 64 at a time',
      job: { is: 'deliver', records: smallBacklog, recordsPerEntry: 64 },
      against: 'undici',
      goals: [],
    },
  ];
}
