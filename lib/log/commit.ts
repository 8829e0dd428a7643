// The one writer: every change of the disk is an operation in the next commit, and one commit is in flight.
//
// What arrives while a commit syncs forms the next: natural batching, no timer, no added latency. A large
// group is deflated on the thread pool while the commit before it syncs, so that neither waits for the other.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { Appended, Append } from './encode.js';
import { DEFLATE_BYTES_MIN, encodeAppends } from './encode.js';
import type { Changes } from './store.js';
import type { Streams } from './state.js';
import { Draft } from './state.js';

/** Bytes of JSON that one commit takes, unless a single append has more. */
const COMMIT_BYTES_MAX = 4 * 1_048_576;
/** Changes of keys that one commit takes, unless a single operation has more. */
const COMMIT_KEYS_MAX = 5000;
/** Records and bytes of JSON that may wait for the disk; beyond, an append is refused. */
export const WAITING_RECORDS_MAX = 100_000;
export const WAITING_BYTES_MAX = 64 * 1_048_576;

/** An append, or a change of anything else: both become part of one commit, atomically. */
type Operation = {
  /** Bytes of JSON, and keys, that it adds to a commit. */
  readonly bytes: number;
  readonly keys: number;
  readonly records: number;
  /** The monotonic moment from which it wants to be committed. */
  readonly dueAt: number;
  readonly reject: (error: Error) => void;
} & (
  | {
      readonly appends: readonly Append[];
      readonly also?: Apply<void>;
      readonly resolve: (appended: readonly Appended[]) => void;
    }
  | { readonly appends?: never; readonly apply: Apply<unknown>; readonly resolve: (result: unknown) => void }
);

/** Changes a draft. Must leave it as it was when it throws. */
export type Apply<T> = (draft: Draft) => T;

/** A commit that is encoded: what to write, and whom to tell. */
interface Prepared {
  readonly draft: Draft;
  readonly writerId: string;
  readonly done: (() => void)[];
  readonly operations: readonly Operation[];
}

type Phase =
  | { at: 'open' }
  /** The disk refused a commit; nothing is written until it is settled. */
  | { at: 'settling' }
  | { at: 'failed'; error: WalError }
  | { at: 'closed' };

/** What the writer needs of the log around it. */
export interface WriterContext {
  readonly clock: Clock;
  /** The first part of the ids that it gives. */
  writerId: () => string;
  /** Writes durably, as `Store.commit` says. */
  write: (changes: Changes) => Promise<void>;
  /** Called after each commit, with the state that is on disk now. */
  committed: (streams: Streams, changedKinds: readonly string[]) => void;
  /**
   * Called after a rejected write. Resolves when what the commit wanted is on disk, exactly once, and
   * writing can go on; rejects where that is impossible.
   */
  settle: (changes: Changes, error: Error) => Promise<void>;
}

export class Writer {
  readonly #context: WriterContext;
  readonly #queue: Operation[] = [];
  /** What is on disk, and with what is being prepared and written taken in. */
  #durable: Streams;
  #latest: Streams;
  #phase: Phase = { at: 'open' };
  #preparing = false;
  #ready: Prepared | undefined;
  #writing: Prepared | undefined;
  #wake: { dueAt: number; timer: AbortController } | undefined;
  #scheduled = false;
  #closing = false;
  #waitingRecords = 0;
  #waitingBytes = 0;
  #queuedBytes = 0;
  #idleWaiters: (() => void)[] = [];

  constructor(streams: Streams, context: WriterContext) {
    this.#durable = streams;
    this.#latest = streams;
    this.#context = context;
  }

  get waitingRecords(): number {
    return this.#waitingRecords;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Appends records, all or nothing, in one commit; with `also`, other changes with them. Returns one place for
   * each append.
   *
   * @throws {WalError} `WAL_OVERLOADED` at once, `WAL_IO`, `WAL_CLOSED`.
   */
  append(
    appends: readonly Append[],
    bytes: number,
    delayMs: number,
    also?: Apply<void>,
  ): Promise<readonly Appended[]> {
    return new Promise((resolve, reject) => {
      const records = appends.reduce((sum, append) => sum + append.records.length, 0);
      this.checkRoom(records, bytes);
      const dueAt = delayMs === 0 ? 0 : this.#context.clock.monotonic() + delayMs;
      this.#enqueue({ appends, bytes, keys: 0, records, dueAt, resolve, reject, ...(also && { also }) });
    });
  }

  /**
   * Whether an append of so much would be taken now.
   *
   * @throws {WalError} `WAL_OVERLOADED`, `WAL_IO`, `WAL_CLOSED`.
   */
  checkRoom(records: number, bytes: number): void {
    if (this.#phase.at === 'failed') throw this.#phase.error;
    if (this.#phase.at === 'closed' || this.#closing) throw new WalError('WAL_CLOSED', 'the log is closed');
    const full =
      this.#waitingRecords + records > WAITING_RECORDS_MAX || this.#waitingBytes + bytes > WAITING_BYTES_MAX;
    if (full && this.#waitingRecords > 0) {
      throw new WalError(
        'WAL_OVERLOADED',
        `${this.#waitingRecords} records (${this.#waitingBytes} bytes) already wait for the disk; append slower or await what was appended`,
      );
    }
  }

  /** Any other change. `keysMax`: how many keys it may change. Resolves with what `apply` returned, once it is durable. */
  change<T>(apply: Apply<T>, keysMax = 1): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = resolve as (result: unknown) => void;
      this.#enqueue({ apply, bytes: 0, keys: keysMax, records: 0, dueAt: 0, resolve: settle, reject });
    });
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async drained(): Promise<void> {
    for (const operation of this.#queue) Object.assign(operation, { dueAt: 0 });
    this.#wake?.timer.abort();
    this.#schedule();
    if (!this.#idle) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Refuses what comes, commits what waits. Resolves when the disk is quiet. */
  async close(): Promise<void> {
    if (this.#phase.at === 'open' || this.#phase.at === 'settling') {
      const drained = this.drained();
      this.#closing = true;
      await drained;
      this.#phase = { at: 'closed' };
    }
  }

  get #idle(): boolean {
    return this.#queue.length === 0 && !this.#preparing && !this.#ready && !this.#writing;
  }

  #enqueue(operation: Operation): void {
    if (this.#phase.at === 'failed') return operation.reject(this.#phase.error);
    if (this.#phase.at === 'closed' || this.#closing) {
      return operation.reject(new WalError('WAL_CLOSED', 'the log is closed'));
    }
    this.#queue.push(operation);
    this.#waitingRecords += operation.records;
    this.#waitingBytes += operation.bytes;
    this.#queuedBytes += operation.bytes;
    this.#schedule();
  }

  /** A turn later, so that everything appended in this turn, or by those just told, comes along. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#phase.at !== 'open') return;
    if (this.#ready && !this.#writing) this.#write(this.#ready);
    if (this.#idle) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
      return;
    }
    if (this.#preparing || this.#ready || this.#queue.length === 0) return;
    // While a commit syncs, only a group that is worth deflating starts early; a small one waits for company.
    if (this.#writing && this.#queuedBytes < DEFLATE_BYTES_MIN) return;
    if (!this.#isDue()) return;
    this.#prepare(this.#take());
  }

  #isDue(): boolean {
    let dueAt = Infinity;
    for (const operation of this.#queue) {
      if (operation.dueAt === 0) return true;
      dueAt = Math.min(dueAt, operation.dueAt);
    }
    const delayMs = dueAt - this.#context.clock.monotonic();
    if (delayMs <= 0) return true;
    if (this.#wake?.dueAt !== dueAt) {
      this.#wake?.timer.abort();
      const timer = new AbortController();
      this.#wake = { dueAt, timer };
      void this.#context.clock.sleep(delayMs, timer.signal).then(() => {
        if (this.#wake?.timer === timer) this.#wake = undefined;
        this.#schedule();
      });
    }
    return false;
  }

  /** The next commit's operations, in the order in which they came. */
  #take(): Operation[] {
    let bytes = 0;
    let keys = 0;
    let n = 0;
    for (const operation of this.#queue) {
      bytes += operation.bytes;
      keys += operation.keys;
      if (n > 0 && (bytes > COMMIT_BYTES_MAX || keys > COMMIT_KEYS_MAX)) break;
      n++;
    }
    const operations = this.#queue.splice(0, n);
    for (const operation of operations) this.#queuedBytes -= operation.bytes;
    return operations;
  }

  #prepare(operations: readonly Operation[]): void {
    const draft = new Draft(this.#latest);
    const done: (() => void)[] = [];
    const kept: Operation[] = [];
    const appends: Append[] = [];
    const told: { from: number; resolve: (appended: readonly Appended[]) => void }[] = [];
    for (const operation of operations) {
      try {
        if (operation.appends) {
          operation.also?.(draft);
          told.push({ from: appends.length, resolve: operation.resolve });
          appends.push(...operation.appends);
        } else {
          const result = operation.apply(draft);
          done.push(() => operation.resolve(result));
        }
        kept.push(operation);
      } catch (error) {
        this.#release([operation]);
        operation.reject(error as Error);
      }
    }
    const writerId = this.#context.writerId();
    const finish = (appended: readonly Appended[]) => {
      for (const [n, { from, resolve }] of told.entries()) {
        const places = appended.slice(from, told[n + 1]?.from ?? appended.length);
        done.push(() => resolve(places));
      }
      this.#preparing = false;
      this.#latest = draft.streams;
      this.#ready = { draft, writerId, done, operations: kept };
      this.#next();
    };
    this.#preparing = true;
    const encoded = encodeAppends(draft, appends, writerId, this.#context.clock.now());
    if (encoded instanceof Promise) void encoded.then(finish, (error: unknown) => this.#fail(error, kept));
    else finish(encoded);
  }

  #write(prepared: Prepared): void {
    this.#ready = undefined;
    this.#writing = prepared;
    const { changes } = prepared.draft;
    const written = changes.size === 0 ? Promise.resolve() : this.#context.write(changes);
    void written
      .catch(async (error: unknown) => {
        // Nothing is written to this handle again; what the commit wanted may be there or not.
        this.#phase = { at: 'settling' };
        await this.#context.settle(changes, error as Error);
        this.#phase = { at: 'open' };
      })
      .then(
        () => this.#written(prepared),
        (error: unknown) => this.#fail(error, prepared.operations),
      );
  }

  #written(prepared: Prepared): void {
    this.#writing = undefined;
    this.#durable = prepared.draft.streams;
    this.#release(prepared.operations);
    this.#context.committed(this.#durable, prepared.draft.changedKinds);
    for (const tell of prepared.done) tell();
    // What is ready goes to the disk at once; a new group waits a turn for those who were just told.
    if (this.#ready) this.#write(this.#ready);
    this.#schedule();
  }

  /** Rejects everything that waits: with a seq, its fate is unknown; without, it was never tried. */
  #fail(cause: unknown, operations: readonly Operation[]): void {
    const error =
      cause instanceof WalError
        ? cause
        : new WalError('WAL_IO', `the disk refused a commit: ${messageOf(cause)}`, { cause });
    this.#phase = { at: 'failed', error };
    const all = [...operations, ...(this.#ready?.operations ?? []), ...this.#queue.splice(0)];
    this.#latest = this.#durable;
    this.#preparing = false;
    this.#ready = undefined;
    this.#writing = undefined;
    this.#queuedBytes = 0;
    this.#release(all);
    for (const operation of all) operation.reject(error);
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #release(operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.#waitingRecords -= operation.records;
      this.#waitingBytes -= operation.bytes;
    }
  }
}
