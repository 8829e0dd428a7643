// The one writer: every change of the disk is an operation in the next commit, and one commit is in flight.
//
// What arrives while a commit syncs forms the next: natural batching, no timer, no added latency. A large
// group is deflated on the thread pool while the commit before it syncs, so that neither waits for the other.

import { WalError, messageOf } from '../errors.js';
import { Alarm } from './alarm.js';
import type { Append, Appended } from './encode.js';
import { DEFLATE_BYTES_MIN, encodeAppends } from './encode.js';
import type { AppendOperation, AppendRequest, Apply, Operation } from './queue.js';
import { Queue, appendOperation, tell } from './queue.js';
import type { Streams } from './state.js';
import { Draft } from './state.js';
import type { Gate, WriterContext } from './writer-context.js';

/** A commit that is encoded: what to write, and whom to tell. */
interface Prepared {
  readonly draft: Draft;
  /** What waits for it. */
  operations: readonly Operation[];
}

type Phase =
  | { at: 'open' }
  /** The disk refused a commit; nothing is written until it is settled. */
  | { at: 'settling' }
  | { at: 'failed'; error: WalError }
  | { at: 'closed' };

export type { Gate, Settled, WriterContext } from './writer-context.js';

/** Never comes: 12 days. */
const TIMER_MS = 2 ** 30;

export class Writer {
  readonly #context: WriterContext;
  readonly #queue = new Queue();
  /** Rings when the first of those that wait for company has waited long enough. */
  readonly #alarm: Alarm;
  /** What is on disk, and with what is being prepared and written taken in. */
  #durable: Streams;
  #latest: Streams;
  #phase: Phase = { at: 'open' };
  #gate: Gate = { at: 'open' };
  #preparing = false;
  /** Counts how often writing began again from what is on disk: what was prepared before is void. */
  #epoch = 0;
  #ready: Prepared | undefined;
  #writing: Prepared | undefined;
  #scheduled = false;
  #closing = false;
  #idleWaiters: (() => void)[] = [];
  /** Keeps the process alive while anything waits: a clock's timers do not, and after a rejected write one is waited for. */
  readonly #alive = setInterval(() => {}, TIMER_MS).unref();

  constructor(streams: Streams, context: WriterContext) {
    this.#durable = streams;
    this.#latest = streams;
    this.#context = context;
    this.#alarm = new Alarm(context.clock, () => this.#schedule());
  }

  get waitingBytes(): number {
    return this.#queue.waitingBytes;
  }

  /** Lets appends in, holds them back, or refuses them, also those that wait. */
  set gate(gate: Gate) {
    this.#gate = gate;
    if (gate.at === 'refusing') this.#reject(this.#queue.remove('appends'), gate.error());
    this.#schedule();
  }

  /**
   * Appends records, all or nothing, in one commit; with `also`, other changes with them. Returns one place for
   * each append.
   *
   * @throws {WalError} `WAL_OVERLOADED`, `WAL_FULL`, `WAL_CLOSED`: not appended. `WAL_IO`: unknown.
   */
  append(
    appends: readonly Append[],
    bytes: number,
    delayMs: number,
    also?: Apply<void>,
  ): Promise<readonly Appended[]> {
    return new Promise((resolve, reject) => this.enqueue({ appends, bytes, delayMs, also, resolve, reject }));
  }

  /**
   * As `append`, for callers that have a promise of their own: another one for each record is what costs most.
   *
   * @throws {WalError} `WAL_OVERLOADED`, `WAL_FULL`, `WAL_CLOSED`: not appended, and nobody is told.
   */
  enqueue(request: AppendRequest): void {
    const { delayMs } = request;
    const dueAt = delayMs === 0 || this.#closing ? 0 : this.#context.clock.monotonic() + delayMs;
    const operation = appendOperation(request, dueAt);
    this.checkRoom(operation.records, operation.bytes);
    this.#queue.push(operation);
    this.#schedule();
  }

  /**
   * Whether an append of so much would be taken now.
   *
   * @throws {WalError} `WAL_OVERLOADED`, `WAL_FULL`, `WAL_IO`, `WAL_CLOSED`.
   */
  checkRoom(records: number, bytes: number): void {
    this.#checkOpen();
    if (this.#gate.at === 'refusing') throw this.#gate.error();
    this.#queue.checkRoom(records, bytes);
  }

  /** Any other change. `keysMax`: how many keys it may change. Resolves with what `apply` returned, once it is durable. */
  change<T>(apply: Apply<T>, keysMax = 1): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#checkOpen();
      const settle = resolve as (result: unknown) => void;
      const waiting = { bytes: 0, keys: keysMax, records: 0, dueAt: 0, reject };
      this.#queue.push({ is: 'change', apply, result: undefined, ...waiting, resolve: settle });
      this.#schedule();
    });
  }

  /**
   * Resolves when everything that waits now is on disk or was refused. What comes meanwhile does not put it off.
   *
   * @throws {WalError} `WAL_IO`, `WAL_CLOSED`.
   */
  async flushed(): Promise<void> {
    const behind = this.change(() => {}, 0);
    this.#queue.hurry();
    await behind;
  }

  /** Resolves when nothing waits and nothing is in flight. For a writer that takes nothing new: it may never be idle otherwise. */
  async #drained(): Promise<void> {
    this.#queue.hurry();
    this.#schedule();
    if (!this.#idle) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Refuses what comes, commits what waits. Resolves when the disk is quiet. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#drained();
    this.#phase = { at: 'closed' };
    clearInterval(this.#alive);
  }

  get #idle(): boolean {
    return this.#queue.length === 0 && !this.#preparing && !this.#ready && !this.#writing;
  }

  #checkOpen(): void {
    if (this.#phase.at === 'failed') throw this.#phase.error;
    if (this.#phase.at === 'closed' || this.#closing) throw new WalError('WAL_CLOSED', 'the log is closed');
  }

  /** A turn later, so that everything appended in this turn, or by those just told, comes along. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#alive.ref();
    setImmediate(() => {
      this.#scheduled = false;
      this.#next();
    });
  }

  #next(): void {
    if (this.#idle) {
      this.#alive.unref();
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
      return;
    }
    if (this.#phase.at !== 'open') return;
    if (this.#ready && !this.#writing) this.#write(this.#ready);
    if (this.#preparing || this.#ready || this.#queue.length === 0) return;
    // While a commit syncs, only a group that is worth deflating starts early; a small one waits for company.
    if (this.#writing && this.#queue.queuedBytes < DEFLATE_BYTES_MIN) return;
    const appends = this.#gate.at === 'open';
    if (!this.#alarm.hasCome(this.#queue.dueAt(appends))) return;
    const countMax = this.#writing ? Infinity : this.#queue.share;
    this.#prepare(this.#queue.take(appends, countMax));
  }

  /** Applies and encodes operations; those that throw are rejected alone. */
  #prepare(operations: readonly Operation[]): void {
    const draft = new Draft(this.#latest);
    const changing: Operation[] = [];
    const appending: AppendOperation[] = [];
    for (const operation of operations) {
      try {
        if (operation.is === 'append') {
          operation.also?.(draft);
          appending.push(operation);
        } else {
          operation.result = operation.apply(draft);
          changing.push(operation);
        }
      } catch (error) {
        this.#reject([operation], error as Error);
      }
    }
    const epoch = this.#epoch;
    const finish = (appended: readonly Appended[]) => {
      this.#preparing = false;
      const prepared = [...changing, ...appending];
      if (epoch !== this.#epoch) return this.#prepareAgain(prepared);
      let from = 0;
      for (const operation of appending) {
        operation.places = appended.slice(from, (from += operation.appends.length));
      }
      this.#latest = draft.streams;
      this.#ready = { draft, operations: prepared };
      this.#next();
    };
    const { clock, writerId } = this.#context;
    const appends = appending.flatMap((operation) => operation.appends);
    this.#preparing = true;
    const encoded = encodeAppends(draft, appends, writerId(), clock.now());
    if (!(encoded instanceof Promise)) return finish(encoded);
    // Making an entry of what was deflated fails where memory is short, most likely.
    void encoded.then(finish, (error: unknown) => {
      this.#preparing = false;
      this.#fail(error);
      this.#reject(operations, error as Error);
    });
  }

  /** What was prepared on a state that is not there any more. */
  #prepareAgain(operations: readonly Operation[]): void {
    if (this.#phase.at === 'failed') this.#reject(operations, this.#phase.error);
    else this.#queue.putBack(operations);
    this.#schedule();
  }

  #write(prepared: Prepared): void {
    this.#ready = undefined;
    this.#writing = prepared;
    const { changes } = prepared.draft;
    const written = changes.size === 0 ? Promise.resolve() : this.#context.write(changes);
    void written.then(
      () => this.#written(prepared),
      (error: unknown) => this.#settle(prepared, error as Error),
    );
  }

  #written(prepared: Prepared): void {
    this.#writing = undefined;
    this.#take(prepared);
    // What is ready goes to the disk at once; a new group waits a turn for those who were just told.
    if (this.#ready && this.#phase.at === 'open') this.#write(this.#ready);
    this.#schedule();
  }

  /** What was written is the state now, unless it was repaired since. */
  #take({ draft, operations }: Prepared, repaired?: Streams): void {
    this.#queue.release(operations);
    this.#know(repaired ?? draft.streams, repaired ? [...repaired.keys()] : draft.changedKinds);
    for (const operation of operations) tell(operation);
  }

  #know(streams: Streams, changedKinds: readonly string[]): void {
    this.#durable = streams;
    this.#context.committed(streams, changedKinds);
  }

  /**
   * After a rejected write: it may be on disk or not. Once that is known, it is taken or written again under the
   * same ids. Where that takes long, appends that hold a seq are rejected, and numbering resumes from the end
   * that is found, under a new writer id.
   */
  async #settle(prepared: Prepared, error: Error): Promise<void> {
    this.#phase = { at: 'settling' };
    const { changes } = prepared.draft;
    let given = true;
    const giveUp = () => {
      if (!given) return;
      given = false;
      const unknown = new WalError('WAL_IO', `the disk refused a commit: ${messageOf(error)}`, {
        cause: error,
      });
      for (const commit of [prepared, this.#ready]) {
        if (!commit) continue;
        const { operations } = commit;
        commit.operations = operations.filter((operation) => operation.is === 'change');
        this.#reject(
          operations.filter((operation) => operation.is === 'append'),
          unknown,
        );
      }
    };
    try {
      let settled = await this.#context.settle(changes, error, giveUp);
      while (settled === false && given) {
        settled = await this.#context.write(changes).then(
          () => true,
          (again: unknown) => this.#context.settle(changes, again as Error, giveUp),
        );
      }
      // What was prepared on another state is void.
      if (typeof settled === 'object') giveUp();
      this.#phase = { at: 'open' };
      if (given) this.#written(prepared);
      else if (typeof settled === 'object') this.#resume(prepared, settled.isThere, settled.streams);
      else this.#resume(prepared, settled);
    } catch (fatal) {
      this.#fail(fatal);
    }
  }

  /** Goes on from what is on disk, after appends that held a seq were rejected. */
  #resume(prepared: Prepared, isThere: boolean, streams?: Streams): void {
    const again = [...(this.#ready?.operations ?? [])];
    if (isThere) this.#take(prepared, streams);
    else again.unshift(...prepared.operations);
    if (streams && !isThere) this.#know(streams, [...streams.keys()]);
    this.#queue.putBack(again);
    this.#startOver();
    this.#context.renewWriterId();
    this.#schedule();
  }

  #startOver(): void {
    this.#epoch++;
    this.#ready = undefined;
    this.#writing = undefined;
    this.#latest = this.#durable;
  }

  /** The end of writing: everything that waits is rejected. With a seq, its fate is unknown. */
  #fail(cause: unknown): void {
    const error =
      cause instanceof WalError
        ? cause
        : new WalError('WAL_IO', `the disk refused a commit: ${messageOf(cause)}`, { cause });
    this.#phase = { at: 'failed', error };
    const held = [...(this.#writing?.operations ?? []), ...(this.#ready?.operations ?? [])];
    this.#reject([...held, ...this.#queue.remove('all')], error);
    this.#startOver();
    this.#schedule();
  }

  #reject(operations: readonly Operation[], error: Error): void {
    this.#queue.release(operations);
    for (const operation of operations) operation.reject(error);
  }
}
