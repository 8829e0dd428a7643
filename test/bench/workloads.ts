// What is measured, against whom, and what the library is meant to reach. Data only.

import type { Content, ContenderName, Destination, Job, Metric } from './job.js';

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
export type Goal = RatioGoal | FigureGoal;

export interface RatioGoal {
  readonly metric: Metric;
  readonly against: ContenderName;
  /** How many times better than the other; below 1, how much worse it may be. */
  readonly atLeast: number;
}

/** By itself. */
export type FigureGoal =
  | { readonly metric: Metric; readonly atLeast: number }
  | { readonly metric: Metric; readonly atMost: number };

/**
 * How long and how often. Many short turns rather than a few long ones: what else the machine does hits both
 * contenders alike then.
 */
export interface Extent {
  /** What has not begun by then is left out. */
  readonly secondsMax: number;
  readonly contents: readonly Content[];
  readonly repetitions: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** The same for the whole path: long enough that what is delivered behind the last append is a small part. */
  readonly pathMs: number;
  readonly backlog: number;
  readonly smallBacklog: number;
  /** For receivers that keep what comes. */
  readonly keptBacklog: number;
  readonly keptRepetitionsMax: number;
  /** For the broker, which takes them one by one. */
  readonly brokerBacklog: number;
  /** Of growth: the largest backlog, records of each kind of work in a cycle, and how many cycles. */
  readonly largest: number;
  readonly work: number;
  readonly cycles: number;
  readonly dayMinutes: number;
}

export const FULL: Extent = {
  secondsMax: Infinity,
  contents: ['service', 'noise'],
  repetitions: 9,
  warmUpMs: 400,
  measureMs: 1000,
  pathMs: 3000,
  backlog: 1_000_000,
  smallBacklog: 200_000,
  keptBacklog: 200_000,
  keptRepetitionsMax: 9,
  brokerBacklog: 100_000,
  largest: 10_000_000,
  work: 200_000,
  cycles: 5,
  dayMinutes: 4,
};

/** For CI: to see that it runs, and roughly how fast. */
export const SHORT: Extent = {
  secondsMax: 45,
  contents: ['service'],
  repetitions: 2,
  warmUpMs: 50,
  measureMs: 150,
  pathMs: 250,
  backlog: 60_000,
  smallBacklog: 20_000,
  keptBacklog: 20_000,
  keptRepetitionsMax: 1,
  brokerBacklog: 10_000,
  largest: 100_000,
  work: 20_000,
  cycles: 2,
  dayMinutes: 0.5,
};

/** What can be appended to. */
const STORES = ['file', 'better-sqlite3', 'lmdb', 'level'] as const;
/** And what only takes: LevelDB with next to nothing around it. */
const APPENDERS = [...STORES, 'level-groups'] as const;
const BACKLOGS = [10_000, 1_000_000, 10_000_000];
/** Of a record's line on the wire. */
const STORED_MAX = { metric: 'storedToWire', atMost: 0.25 } as const;

export function workloadsOf(extent: Extent): Workload[] {
  const all = [...appends(extent), ...deliveries(extent), ...paths(extent), ...receivers(extent)];
  return all.filter(({ job }) => extent.contents.includes(job.content));
}

/** Those of growth. */
export function backlogsUpTo(largest: number): number[] {
  return [...BACKLOGS.filter((backlog) => backlog < largest), largest];
}

function appends({ warmUpMs, measureMs }: Extent): Workload[] {
  const job = { is: 'append', content: 'service', recordsPerCall: 1, warmUpMs, measureMs } as const;
  return [
    {
      name: 'append-1',
      title: 'durable append, 1 producer',
      job: { ...job, producers: 1 },
      against: APPENDERS,
      goals: [{ metric: 'latencyP50Ms', against: 'file', atLeast: 1 }],
    },
    {
      name: 'append-64',
      title: 'durable append, 64 producers',
      job: { ...job, producers: 64 },
      against: APPENDERS,
      goals: [{ metric: 'recordsPerSecond', against: 'file', atLeast: 1 }, STORED_MAX],
    },
    {
      name: 'append-1024',
      title: 'durable append, 1,024 producers',
      job: { ...job, producers: 1024 },
      against: APPENDERS,
      goals: [
        { metric: 'recordsPerSecond', against: 'file', atLeast: 0.9 },
        { metric: 'recordsPerSecond', against: 'lmdb', atLeast: 1 },
        { metric: 'recordsPerSecond', against: 'level', atLeast: 2 },
        { metric: 'recordsPerSecond', against: 'better-sqlite3', atLeast: 0.8 },
        { metric: 'loopDelayP99Ms', against: 'better-sqlite3', atLeast: 5 },
        { metric: 'cpuUsPerRecord', atMost: 6 },
        STORED_MAX,
      ],
    },
    {
      name: 'append-noise',
      title: 'durable append, 1,024 producers, hard to compress',
      job: { ...job, content: 'noise', producers: 1024 },
      against: APPENDERS,
      goals: [],
    },
    {
      name: 'append-many',
      title: 'appendMany of 500',
      job: { ...job, producers: 1, recordsPerCall: 500 },
      against: APPENDERS,
      goals: [{ metric: 'recordsPerSecond', against: 'file', atLeast: 1 }],
    },
  ];
}

function deliveries({ backlog, smallBacklog }: Extent): Workload[] {
  const job = { content: 'service', recordsPerEntry: 500 } as const;
  return [
    {
      name: 'assemble',
      title: 'reading out and assembling gzip bodies',
      job: { ...job, is: 'assemble', records: backlog },
      against: [],
      goals: [{ metric: 'recordsPerSecond', atLeast: 700_000 }],
    },
    {
      name: 'deliver',
      title: 'delivery of a backlog appended 500 at a time',
      job: { ...job, is: 'deliver', records: backlog },
      against: ['undici'],
      goals: [{ metric: 'recordsPerSecond', against: 'undici', atLeast: 0.8 }],
    },
    {
      name: 'deliver-small',
      title: 'delivery of a backlog appended 64 at a time',
      job: { ...job, is: 'deliver', records: smallBacklog, recordsPerEntry: 64 },
      against: ['undici'],
      goals: [],
    },
    {
      name: 'deliver-noise',
      title: 'delivery of a backlog that is hard to compress',
      job: { ...job, is: 'deliver', content: 'noise', records: smallBacklog },
      against: ['undici'],
      goals: [],
    },
  ];
}

function paths({ warmUpMs, pathMs }: Extent): Workload[] {
  const job = { is: 'path', producers: 1024, recordsPerCall: 1, warmUpMs, measureMs: pathMs } as const;
  return [
    {
      name: 'path',
      title: 'append, post, delete; 1,024 producers',
      job: { ...job, content: 'service' },
      against: STORES,
      goals: [
        { metric: 'recordsPerSecond', against: 'file', atLeast: 1 },
        { metric: 'recordsPerSecond', against: 'better-sqlite3', atLeast: 1.7 },
        { metric: 'recordsPerSecond', against: 'lmdb', atLeast: 1.7 },
        { metric: 'cpuUsPerRecord', atMost: 8 },
      ],
    },
    {
      name: 'path-noise',
      title: 'append, post, delete; 1,024 producers, hard to compress',
      job: { ...job, content: 'noise' },
      against: STORES,
      goals: [],
    },
  ];
}

function receivers(extent: Extent): Workload[] {
  const job = { is: 'deliver', content: 'service', recordsPerEntry: 500 } as const;
  const kept = {
    job: { ...job, records: extent.keptBacklog },
    against: [],
    goals: [],
    repetitionsMax: extent.keptRepetitionsMax,
  };
  return [
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
      job: { ...job, records: extent.brokerBacklog },
      name: 'deliver-jetstream',
      title: 'delivery to JetStream, file store synced every 2 min',
      destination: 'jetstream',
    },
  ];
}
