// What a contender can do for a job: take records durably, deliver a backlog, or both at once. Contracts only.

import type { LogRecord } from '../../../lib/index.js';
import type { BacklogJob } from '../job.js';

/** Takes records and acknowledges them. */
export interface Appender {
  /** Resolves when the record is on disk, behind an fsync. */
  append(record: LogRecord): Promise<unknown>;
  /** The same for several, in one group. */
  appendMany(records: readonly LogRecord[]): Promise<unknown>;
  close(): Promise<void>;
}

/** The whole path: what is appended is delivered and deleted meanwhile. */
export interface Path extends Appender {
  /** Resolves when everything appended is delivered and deleted, with the number of records so far. */
  drained(): Promise<number>;
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
  openPath?(place: Place): Promise<Path>;
  /** Makes the backlog; that is not measured. */
  prepareDelivery?(place: Place, job: BacklogJob, records: readonly LogRecord[]): Promise<Delivery>;
  /** The same, only to be read and made into bodies that go nowhere. */
  prepareAssembly?(place: Place, job: BacklogJob, records: readonly LogRecord[]): Promise<Delivery>;
}
