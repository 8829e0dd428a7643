// What a contender can do for a job: take records durably, or deliver a backlog. Contracts only.

import type { LogRecord } from '../../../lib/index.js';
import type { DeliverJob } from '../job.js';

/** Takes records and acknowledges them. */
export interface Appender {
  /** Resolves when the record is on disk, behind an fsync. */
  append(record: LogRecord): Promise<unknown>;
  /** The same for several, in one group. */
  appendMany(records: readonly LogRecord[]): Promise<unknown>;
  /** What all records so far take up, in bytes. */
  storedBytes(): Promise<number>;
  close(): Promise<void>;
}

/** A backlog, ready to go. */
export interface Delivery {
  /** Delivers all of it; resolves with the number of records for which receipts came. */
  deliver(): Promise<number>;
  close(): Promise<void>;
}

/** Where a contender works. */
export interface Place {
  /** An empty folder of its own. */
  readonly dir: string;
  readonly sinkUrl: string;
}

export interface Contender {
  openAppender?(place: Place): Promise<Appender>;
  /** Makes the backlog; that is not measured. */
  prepareDelivery?(place: Place, job: DeliverJob, records: readonly LogRecord[]): Promise<Delivery>;
}
