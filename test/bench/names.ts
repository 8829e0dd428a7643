// What contenders and metrics are called, for people.

import type { ContenderName, Metric } from './job.js';

export const CONTENDERS: Record<ContenderName, string> = {
  wal: '@nv/wal',
  file: 'the file',
  'better-sqlite3': 'better-sqlite3',
  lmdb: 'lmdb',
  level: 'LevelDB, a key a record',
  'level-groups': 'LevelDB, a value a group',
  undici: 'undici, prepared bodies',
};

export interface MetricWords {
  /** In sentences. */
  readonly word: string;
  readonly unit: string;
  /** At the head of a column. */
  readonly title: string;
  readonly digits: number;
}

/** In the order of the columns. */
export const METRICS: Record<Metric, MetricWords> = {
  recordsPerSecond: { word: 'rate', unit: 'records/s', title: 'records/s', digits: 0 },
  latencyP50Ms: { word: 'p50 latency', unit: 'ms', title: 'p50 ms', digits: 2 },
  latencyP99Ms: { word: 'p99 latency', unit: 'ms', title: 'p99 ms', digits: 2 },
  cpuUsPerRecord: { word: 'CPU', unit: 'µs/record', title: 'CPU µs/record', digits: 1 },
  receiverCpuUsPerRecord: {
    word: "receiver's CPU",
    unit: 'µs/record',
    title: 'receiver CPU µs',
    digits: 1,
  },
  loopDelayP99Ms: { word: 'p99 event-loop delay', unit: 'ms', title: 'loop delay p99 ms', digits: 1 },
  writtenBytesPerRecord: { word: 'written', unit: 'B/record', title: 'written B/record', digits: 0 },
  storedBytesPerRecord: { word: 'stored', unit: 'B/record', title: 'stored B/record', digits: 0 },
  storedToWire: { word: 'stored', unit: 'of the wire', title: 'stored/wire', digits: 2 },
};

export const metricNames = Object.keys(METRICS) as Metric[];
