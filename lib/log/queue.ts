// What waits for the disk, in order and within bounds. Pure: no I/O, no clock of its own.

import { WalError } from '../errors.js';
import type { Append, Appended, Appending } from './encode.js';
import type { Draft } from './state.js';

/** Bytes of lines that one commit takes, unless a single append has more. */
const COMMIT_BYTES_MAX = 4 * 1_048_576;
/** Changes of keys that one commit takes, unless a single operation has more. */
const COMMIT_KEYS_MAX = 5000;
/** Records and bytes of lines that may wait for the disk; beyond, an append is refused. */
export const WAITING_RECORDS_MAX = 100_000;
export const WAITING_BYTES_MAX = 64 * 1_048_576;

/** Changes a draft. Must leave it as it was when it throws, and may be called again on another draft. */
export type Apply<T> = (draft: Draft) => T;

/** Whoever appends a record and is told what became of it. */
export interface Caller {
  /** Whether it waits to be told, and does something next. */
  readonly goesOn: boolean;
  /** It is on disk. */
  told(writerId: string, seq: number): void;
  refused(error: Error): void;
}

interface Waiting {
  /** Bytes of lines (an upper bound will do), records and keys that it adds to a commit. */
  readonly bytes: number;
  readonly count: number;
  readonly keys: number;
  /** The monotonic moment from which it wants to be committed; 0: at once. */
  dueAt: number;
}

/** The append of one record. Itself what is encoded: most operations are this one, and what each of them makes costs. */
export interface RecordOperation extends Waiting, Appending {
  readonly is: 'record';
  readonly records: string;
  readonly caller: Caller;
}

/** Appends that come together, with other changes where `also` makes some. */
export interface AppendOperation extends Waiting {
  readonly is: 'appends';
  readonly appends: readonly Appending[];
  readonly also: Apply<void> | undefined;
  readonly resolve: (places: readonly Appended[]) => void;
  readonly reject: (error: Error) => void;
}

/** A change of anything else. */
export interface ChangeOperation extends Waiting {
  readonly is: 'change';
  readonly apply: Apply<unknown>;
  /** As the commit that was last prepared has it. */
  result: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What becomes part of one commit, atomically. */
export type Operation = RecordOperation | AppendOperation | ChangeOperation;

/** Where an append is that has no place yet. */
const NOWHERE: Appended = { writerId: '', firstSeq: 0 };

export function recordOperation(
  kind: string,
  json: string,
  bytes: number,
  dueAt: number,
  caller: Caller,
): RecordOperation {
  const { writerId, firstSeq } = NOWHERE;
  return {
    is: 'record',
    kind,
    records: json,
    writerId,
    firstSeq,
    bytes,
    count: 1,
    keys: 0,
    dueAt,
    caller,
  };
}

export function appendOperation(
  appends: readonly Append[],
  waiting: Pick<AppendOperation, 'bytes' | 'dueAt' | 'also' | 'resolve' | 'reject'>,
): AppendOperation {
  const count = appends.reduce((sum, { records }) => sum + records.length, 0);
  return {
    is: 'appends',
    appends: appends.map((append) => ({ ...append, ...NOWHERE })),
    count,
    keys: 0,
    ...waiting,
  };
}

/** Tells whoever waits for it that it is on disk. */
export function tell(operation: Operation): void {
  switch (operation.is) {
    case 'record':
      return operation.caller.told(operation.writerId, operation.firstSeq);
    case 'appends':
      return operation.resolve(operation.appends.map(({ writerId, firstSeq }) => ({ writerId, firstSeq })));
    case 'change':
      return operation.resolve(operation.result);
    default:
      return operation satisfies never;
  }
}

/** Tells whoever waits for it that it is not, or may not be. */
export function refuse(operation: Operation, error: Error): void {
  if (operation.is === 'record') operation.caller.refused(error);
  else operation.reject(error);
}

export class Queue {
  #operations: Operation[] = [];
  #queuedBytes = 0;
  #waitingRecords = 0;
  #waitingBytes = 0;

  /** Operations that no commit has taken yet. */
  get length(): number {
    return this.#operations.length;
  }

  /** Bytes of lines that no commit has taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes of lines that are not on disk yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** @throws {WalError} `WAL_OVERLOADED` where so much more may not wait. */
  checkRoom(records: number, bytes: number): void {
    const full =
      this.#waitingRecords + records > WAITING_RECORDS_MAX || this.#waitingBytes + bytes > WAITING_BYTES_MAX;
    // Alone, anything gets in: it is bounded by what one call may append.
    if (!full || this.#waitingRecords === 0) return;
    throw new WalError(
      'WAL_OVERLOADED',
      `${this.#waitingRecords} records (${this.#waitingBytes} bytes) already wait for the disk; append slower or await what was appended`,
    );
  }

  push(operation: Operation): void {
    this.#operations.push(operation);
    this.#queuedBytes += operation.bytes;
    this.#waitingRecords += operation.count;
    this.#waitingBytes += operation.bytes;
  }

  /** Puts back what a commit took and could not write, in front of everything else. */
  putBack(operations: readonly Operation[]): void {
    this.#operations.unshift(...operations);
    for (const operation of operations) this.#queuedBytes += operation.bytes;
  }

  /** The next commit's operations, in order, at most so many; without `appends`, those stay where they are. */
  take(appends: boolean, countMax = Infinity): Operation[] {
    let bytes = 0;
    let keys = 0;
    const taken: Operation[] = [];
    const left: Operation[] = [];
    let n = 0;
    for (; n < this.#operations.length && taken.length < countMax; n++) {
      const operation = this.#operations[n]!;
      if (operation.is !== 'change' && !appends) {
        left.push(operation);
        continue;
      }
      const isTooMuch = bytes + operation.bytes > COMMIT_BYTES_MAX || keys + operation.keys > COMMIT_KEYS_MAX;
      if (taken.length > 0 && isTooMuch) break;
      bytes += operation.bytes;
      keys += operation.keys;
      taken.push(operation);
    }
    const rest = this.#operations;
    rest.splice(0, n);
    if (left.length > 0) this.#operations = [...left, ...rest];
    this.#queuedBytes -= bytes;
    return taken;
  }

  /** Takes out every append, or everything. */
  remove(which: 'appends' | 'all'): Operation[] {
    const isGone = (operation: Operation) => which === 'all' || operation.is !== 'change';
    const gone = this.#operations.filter(isGone);
    this.#operations = this.#operations.filter((operation) => !isGone(operation));
    for (const operation of gone) this.#queuedBytes -= operation.bytes;
    return gone;
  }

  /** What was taken or removed does not wait any more. */
  release(operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.#waitingRecords -= operation.count;
      this.#waitingBytes -= operation.bytes;
    }
  }

  /** The first moment at which something wants to be committed; 0: at once, Infinity: never. */
  dueAt(appends: boolean): number {
    let first = Infinity;
    for (const operation of this.#operations) {
      if (operation.is !== 'change' && !appends) continue;
      if (operation.dueAt === 0) return 0;
      first = Math.min(first, operation.dueAt);
    }
    return first;
  }

  /** Nothing waits for company any more. */
  hurry(): void {
    for (const operation of this.#operations) operation.dueAt = 0;
  }
}
