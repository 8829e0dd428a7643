// What the receiver needs of a store, and what it hands to one. Knows neither HTTP nor a database.

import type { Gap } from '../records.js';

/**
 * Keeps what was received, for good. Write one to receive into anything that has transactions.
 *
 * - `store` resolves only after every line it counts is as durable as it ever will be (fsynced): the sender
 *   deletes its copy on that word.
 * - A batch is atomic: all the lines that `store` counts are there, or, where it rejects, possibly all and
 *   possibly none. The sender sends the same lines again until `store` has resolved once.
 * - It is idempotent by id, for ever and across restarts. A line whose id is there with the same bytes is a
 *   duplicate; with other bytes it is a conflict, and what is there stays. The same holds within a batch.
 * - It may be called while other calls are under way, also with the same ids: a line is accepted once.
 */
export interface IngestStore {
  /**
   * `accepted + duplicates + conflicts.length` is the number of lines.
   *
   * @throws {WalError} `WAL_IO`: not stored, or unknown; `WAL_CLOSED`.
   */
  store(batch: IngestBatch): Promise<StoreResult>;
  /** Lines stored of a kind, notices included. */
  count(kind: string): Promise<number>;
  /** Every line stored of a kind; those of one writer in the order of their seq. For checks and exports. */
  lines(kind: string): AsyncIterable<StoredLine>;
  /** Kinds of which something is stored, in alphabetical order. */
  kinds(): Promise<string[]>;
  /** Which seqs have arrived, as records or in notices: log by log, ascending, disjoint, never adjacent. */
  arrivals(kind: string): AsyncIterable<Arrival>;
  /** Some of the notices of one log, at most `countMax`, in no particular order. */
  notices(kind: string, logId: string, countMax: number): Promise<Gap[]>;
  /** The service of any batch that this log has sent; `undefined` where none is known. */
  ownerOf(logId: string): Promise<string | undefined>;
  /** Settles the calls that are under way, then lets go of everything. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The acceptable lines of one request, in the order they came. */
export interface IngestBatch {
  /** The sender's log, where the request named it. Without it arrivals can't be followed. */
  logId: string | undefined;
  instance: string | undefined;
  /** Whose log it is, where tokens are checked: the caller's, or of whom it writes for. */
  service: string | undefined;
  kind: string;
  lines: readonly IngestLine[];
}

/** A line that was checked: its id fits its kind and seq. */
export interface IngestLine {
  id: string;
  /** A record's seq, or the last one that a notice stands for. */
  seq: number;
  /** What a notice says; `undefined` for a record. */
  gap: Gap | undefined;
  /** When a record says that it happened, in epoch ms; `undefined` where it says nothing usable. */
  ts: number | undefined;
  /** The line as received, without its `\n`. */
  bytes: Buffer;
}

export interface StoreResult {
  /** Lines stored now. */
  accepted: number;
  /** Lines that were there already, byte for byte. */
  duplicates: number;
  /** Ids under which other bytes are stored, once for each line. */
  conflicts: string[];
}

export interface StoredLine {
  id: string;
  /** As received, without its `\n`. */
  line: Buffer;
}

/** Seqs of one log that have arrived, both ends included. A log that is whole has one, from 1. */
export interface Arrival {
  logId: string;
  /** As the latest batch of this log named them. */
  service: string | undefined;
  instance: string | undefined;
  from: number;
  to: number;
}
