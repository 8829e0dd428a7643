// What the demo and its producer say to each other over the channel between them: shapes only.

import type { ImportProblem, StreamPolicy, WalEvent, WalStats } from '../../index.js';

/** What the producer is to do. Its sink and VAR_DIR come by the environment, as a service's do. */
export interface Job {
  is: 'job';
  service: string;
  streams: Record<string, Partial<StreamPolicy>>;
  work: Work;
  /**
   * Ascending: after so many records (or lines, blank ones too), it says `held` and goes on when it is told to.
   * With any of these, it does not end by itself after the last one: it ships on until it is killed.
   */
  holds: number[];
}

export type Work =
  /** So many records, made up on the way. */
  | { is: 'records'; count: number }
  /** Whatever of these files is not in the log yet. */
  | { is: 'files'; files: string[]; kind: string };

export type ToProducer = Job | { is: 'go' };

export type FromProducer =
  /** Records that `append` has acknowledged: their ids, and what tells their content apart. */
  | { is: 'acknowledged'; records: [id: string, key: string][] }
  /** Where the log stands, a few times a second, and at each hold; what was imported up to a hold is durable. */
  | { is: 'status'; stats: WalStats }
  | { is: 'held' }
  | { is: 'event'; event: WalEvent }
  /** A line that could not be read. */
  | { is: 'problem'; problem: ImportProblem }
  /** Everything is appended and delivered. */
  | { is: 'done'; stats: WalStats }
  | { is: 'failed'; message: string };
