// The write side: what becomes of a record before it joins a commit. Checks, bounds, and calls that don't wait.

import type { StreamConfig } from './config.js';
import { WalError, messageOf } from './errors.js';
import type { WalEvent } from './events.js';
import type { Log } from './log/log.js';
import type { Caller } from './log/queue.js';
import type { Retainer } from './log/retain.js';
import { encodeRecord, lineBytesMax, recordId } from './records.js';
import type { Refusals } from './refusals.js';
import type { AppendReceipt } from './reports.js';

/** Bytes of lines, and records, that one `appendMany` takes: what a log can still be reopened with after a full disk. */
const MANY_BYTES_MAX = 8 * 1_048_576;
const MANY_RECORDS_MAX = 100_000;

export interface IntakeContext {
  readonly log: Log;
  readonly retainer: Retainer;
  /** The policy of a kind; throws for an unknown one, and once the log is closed. */
  readonly policyOf: (kind: string) => Readonly<StreamConfig>;
  readonly onEvent: (event: WalEvent) => void;
  readonly refusals: Refusals;
}

export class Intake {
  readonly #context: IntakeContext;
  /** By kind: offers that failed since one succeeded. Told at the first. */
  readonly #failing = new Map<string, number>();
  #offersFailed = 0;

  constructor(context: IntakeContext) {
    this.#context = context;
  }

  /** Records that `offer` could not make durable. */
  get offersFailed(): number {
    return this.#offersFailed;
  }

  /** See `Wal.append`. */
  append(kind: string, record: unknown): Promise<AppendReceipt> {
    return new Promise((resolve, reject) => {
      const caller = new Appender(kind, this.#context.refusals, resolve, reject);
      try {
        this.#enqueue(kind, record, caller);
      } catch (error) {
        caller.refused(error as Error);
      }
    });
  }

  /** See `Wal.appendMany`. */
  async appendMany(kind: string, records: readonly unknown[]): Promise<AppendReceipt[]> {
    try {
      return await this.#appendMany(kind, records);
    } catch (error) {
      this.#context.refusals.count(kind, error, Array.isArray(records) ? records.length : 1);
      throw error;
    }
  }

  async #appendMany(kind: string, records: readonly unknown[]): Promise<AppendReceipt[]> {
    const { log, retainer, policyOf } = this.#context;
    const { maxRecordBytes, commitDelayMs, shaping } = policyOf(kind);
    if (!Array.isArray(records)) {
      throw new WalError('WAL_RECORD_INVALID', `expected records of '${kind}' to be an array`);
    }
    if (records.length === 0) return [];
    if (records.length > MANY_RECORDS_MAX) throw tooMany(`${records.length} records`);
    // Not `map`: it leaves the holes of a sparse array as they are.
    const jsons = Array.from(records, (record: unknown) =>
      encodeRecord(kind, record, maxRecordBytes, shaping),
    );
    const jsonBytes = jsons.reduce((sum, json) => sum + Buffer.byteLength(json), 0);
    const bytes = lineBytesMax(kind, jsons.length, jsonBytes);
    if (bytes > MANY_BYTES_MAX) throw tooMany(`${jsons.length} records with ${bytes} bytes of lines`);
    retainer.checkRoom(kind, bytes);
    const [place] = await log.append([{ kind, records: jsons }], bytes, commitDelayMs);
    const { writerId, firstSeq } = place!;
    return jsons.map((_, n) => receiptOf(writerId, kind, firstSeq + n));
  }

  /** See `Wal.offer`. */
  offer(kind: string, record: unknown): boolean {
    try {
      const failing = this.#failing.get(kind);
      const told = () => {
        // Only one that came after the last failure tells that offers are taken again.
        if (this.#failing.get(kind) === failing) this.#failing.delete(kind);
      };
      this.#enqueue(kind, record, { goesOn: false, told, refused: (error) => this.#failed(kind, error) });
      return true;
    } catch (error) {
      this.#failed(kind, error);
      return false;
    }
  }

  /** Throws where the record is not taken; tells the caller later what has become of it otherwise. */
  #enqueue(kind: string, record: unknown, caller: Caller): void {
    const { log, retainer, policyOf } = this.#context;
    const { maxRecordBytes, commitDelayMs, shaping } = policyOf(kind);
    const json = encodeRecord(kind, record, maxRecordBytes, shaping);
    const bytes = lineBytesMax(kind, 1, Buffer.byteLength(json));
    retainer.checkRoom(kind, bytes);
    log.enqueue(kind, json, bytes, commitDelayMs, caller);
  }

  #failed(kind: string, error: unknown): void {
    this.#offersFailed++;
    this.#context.refusals.count(kind, error, 1);
    const failing = (this.#failing.get(kind) ?? 0) + 1;
    this.#failing.set(kind, failing);
    if (failing > 1) return;
    const code = error instanceof WalError ? error.code : 'WAL_RECORD_INVALID';
    this.#context.onEvent({ type: 'offer-failed', kind, code, message: messageOf(error) });
  }
}

/** Who waits for one record. Not closures and private fields: it is made for each. */
class Appender implements Caller {
  constructor(
    readonly kind: string,
    readonly refusals: Refusals,
    readonly resolve: (receipt: AppendReceipt) => void,
    readonly reject: (error: Error) => void,
  ) {}

  get goesOn(): boolean {
    return true;
  }

  told(writerId: string, seq: number): void {
    this.resolve(receiptOf(writerId, this.kind, seq));
  }

  refused(error: Error): void {
    this.refusals.count(this.kind, error, 1);
    this.reject(error);
  }
}

function receiptOf(writerId: string, kind: string, seq: number): AppendReceipt {
  return { id: recordId(writerId, kind, seq), seq };
}

function tooMany(what: string): WalError {
  const limits = `${MANY_RECORDS_MAX} records with ${MANY_BYTES_MAX} bytes of lines`;
  return new WalError(
    'WAL_RECORD_TOO_LARGE',
    `${what} are more than one commit takes (${limits}); append in parts`,
  );
}
