// What waits for the disk, in order and within bounds. Pure: no I/O, no clock of its own.

import { WalError } from '../errors.js';
import type { Append, Appended } from './encode.js';
import { DEFLATE_BYTES_MIN } from './encode.js';
import type { Draft } from './state.js';

/** Bytes of lines that one commit takes, unless a single append has more. */
const COMMIT_BYTES_MAX = 4 * 1_048_576;
/** Changes of keys that one commit takes, unless a single operation has more. */
const COMMIT_KEYS_MAX = 5000;
/** Bytes of lines of which each half is worth deflating: with fewer, what each commit costs by itself is what counts. */
const HALVED_BYTES_MIN = 2 * DEFLATE_BYTES_MIN;
/** Records and bytes of lines that may wait for the disk; beyond, an append is refused. */
export const WAITING_RECORDS_MAX = 100_000;
export const WAITING_BYTES_MAX = 64 * 1_048_576;

/** Changes a draft. Must leave it as it was when it throws, and may be called again on another draft. */
export type Apply<T> = (draft: Draft) => T;

/** Records to append in one commit, with other changes where `also` makes some, and whom to tell. */
export interface AppendRequest {
  readonly appends: readonly Append[];
  /** Bytes of their lines; an upper bound will do. */
  readonly bytes: number;
  /** How long they may wait for company. */
  readonly delayMs: number;
  readonly also?: Apply<void> | undefined;
  /** Called once they are durable, with one place for each of `appends`. */
  readonly resolve: (places: readonly Appended[]) => void;
  readonly reject: (error: Error) => void;
}

interface Waiting {
  /** Bytes of lines (an upper bound will do), and keys, that it adds to a commit. */
  readonly bytes: number;
  readonly keys: number;
  readonly records: number;
  /** The monotonic moment from which it wants to be committed. */
  dueAt: number;
  readonly reject: (error: Error) => void;
}

export interface AppendOperation extends Waiting {
  readonly is: 'append';
  readonly appends: readonly Append[];
  readonly also: Apply<void> | undefined;
  /** As the commit that was last prepared has it. */
  places: readonly Appended[];
  readonly resolve: (places: readonly Appended[]) => void;
}

export interface ChangeOperation extends Waiting {
  readonly is: 'change';
  readonly apply: Apply<unknown>;
  /** As the commit that was last prepared has it. */
  result: unknown;
  readonly resolve: (result: unknown) => void;
}

/** An append, or a change of anything else: both become part of one commit, atomically. */
export type Operation = AppendOperation | ChangeOperation;

export function appendOperation(request: AppendRequest, dueAt: number): AppendOperation {
  const { appends, bytes, also, resolve, reject } = request;
  let records = 0;
  for (const append of appends) records += append.records.length;
  return { is: 'append', appends, bytes, keys: 0, records, dueAt, also, places: [], resolve, reject };
}

/** Tells whoever waits for it that it is on disk. */
export function tell(operation: Operation): void {
  if (operation.is === 'append') operation.resolve(operation.places);
  else operation.resolve(operation.result);
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
    this.#waitingRecords += operation.records;
    this.#waitingBytes += operation.bytes;
  }

  /** Puts back what a commit took and could not write, in front of everything else. */
  putBack(operations: readonly Operation[]): void {
    this.#operations.unshift(...operations);
    for (const operation of operations) this.#queuedBytes += operation.bytes;
  }

  /**
   * Operations that an idle disk is given of many: half. Producers that wait for their acknowledgements come all at
   * once, and would be deflated, synced and told all at once; in two halves, one is deflated while the other syncs.
   */
  get share(): number {
    return this.#queuedBytes < HALVED_BYTES_MIN ? Infinity : Math.ceil(this.length / 2);
  }

  /** The next commit's operations, in order, at most so many; without `appends`, those stay where they are. */
  take(appends: boolean, countMax = Infinity): Operation[] {
    let bytes = 0;
    let keys = 0;
    const taken: Operation[] = [];
    let n = 0;
    for (; n < this.#operations.length && taken.length < countMax; n++) {
      const operation = this.#operations[n]!;
      if (operation.is === 'append' && !appends) continue;
      bytes += operation.bytes;
      keys += operation.keys;
      if (taken.length > 0 && (bytes > COMMIT_BYTES_MAX || keys > COMMIT_KEYS_MAX)) break;
      taken.push(operation);
    }
    if (taken.length === n) this.#operations.splice(0, n);
    else this.#operations = this.#operations.filter((operation) => !taken.includes(operation));
    for (const operation of taken) this.#queuedBytes -= operation.bytes;
    return taken;
  }

  /** Takes out every append, or everything. */
  remove(which: 'appends' | 'all'): Operation[] {
    const isGone = (operation: Operation) => which === 'all' || operation.is === 'append';
    const gone = this.#operations.filter(isGone);
    this.#operations = this.#operations.filter((operation) => !isGone(operation));
    for (const operation of gone) this.#queuedBytes -= operation.bytes;
    return gone;
  }

  /** What was taken or removed does not wait any more. */
  release(operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.#waitingRecords -= operation.records;
      this.#waitingBytes -= operation.bytes;
    }
  }

  /** The first moment at which something wants to be committed; 0: at once, Infinity: never. */
  dueAt(appends: boolean): number {
    let first = Infinity;
    for (const operation of this.#operations) {
      if (operation.is === 'append' && !appends) continue;
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
