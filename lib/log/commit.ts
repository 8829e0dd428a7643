// The one writer: every change of the disk is an operation in the next commit, and one commit is in flight.
//
// What arrives while a commit syncs forms the next: natural batching, no timer, no added latency. A large
// group is deflated on the thread pool while the commit before it syncs, so that neither waits for the other.

import { WalError, messageOf } from '../errors.js';
import { Alarm } from './alarm.js';
import { Balance } from './balance.js';
import type { Append, Appended } from './encode.js';
import { DEFLATE_BYTES_MIN } from './encode.js';
import type { Prepared } from './prepare.js';
import { prepare, takeAppends } from './prepare.js';
import { Teller } from './teller.js';
import type { Apply, Caller, Operation } from './queue.js';
import { Queue, appendOperation, recordOperation, refuse } from './queue.js';
import type { Streams } from './state.js';
import type { Gate, Phase, WriterContext } from './writer-context.js';

export type { Gate, Settled, WriterContext } from './writer-context.js';

/** Never comes: 12 days. */
const TIMER_MS = 2 ** 30;

export class Writer {
  readonly #context: WriterContext;
  readonly #queue = new Queue();
  /** Rings when the first of those that wait for company has waited long enough. */
  readonly #alarm: Alarm;
  readonly #balance = new Balance();
  readonly #teller = new Teller(() => this.#schedule());
  /** What is on disk, and with what is being prepared and written taken in. */
  #durable: Streams;
  #latest: Streams;
  #phase: Phase = { at: 'open' };
  #gate: Gate = { at: 'open' };
  /** Set while a group is being encoded; never rejects. */
  #preparing: Promise<void> | undefined;
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
    return new Promise((resolve, reject) => {
      const waiting = { bytes, dueAt: this.#dueAt(delayMs), also, resolve, reject };
      const operation = appendOperation(appends, waiting);
      this.checkRoom(operation.count, bytes);
      this.#push(operation);
    });
  }

  /**
   * Appends one record, and tells the caller: a promise of their own for each record is what costs most.
   *
   * @throws {WalError} `WAL_OVERLOADED`, `WAL_FULL`, `WAL_CLOSED`: not appended, and the caller is not told.
   */
  enqueue(kind: string, json: string, bytes: number, delayMs: number, caller: Caller): void {
    this.checkRoom(1, bytes);
    this.#push(recordOperation(kind, json, bytes, this.#dueAt(delayMs), caller));
  }

  #dueAt(delayMs: number): number {
    return delayMs === 0 || this.#closing ? 0 : this.#now + delayMs;
  }

  #push(operation: Operation): void {
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
      const waiting = { bytes: 0, count: 0, keys: keysMax, dueAt: 0 };
      this.#push({ is: 'change', apply, result: undefined, resolve: settle, reject, ...waiting });
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
    const isQuiet = !this.#preparing && !this.#ready && !this.#writing && !this.#teller.isTelling;
    return isQuiet && this.#queue.length === 0;
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
      if (!this.#teller.isTelling) this.#balance.heard(this.#now);
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
    // Those who are being told come along, unless they are the other half.
    if (this.#teller.isTelling && !this.#balance.haveComeAgain(this.#queue.queuedBytes)) return;
    // While a commit syncs, only a half that is worth it starts early; what is less waits for company.
    if (this.#writing && !this.#goesInHalves) return;
    const appends = this.#gate.at === 'open';
    if (!this.#alarm.hasCome(this.#queue.dueAt(appends))) return;
    // Producers that wait for their acknowledgements come all at once: an idle disk is given the first half.
    const isFirstHalf = !this.#writing && this.#goesInHalves;
    this.#prepare(this.#queue.take(appends, isFirstHalf ? Math.ceil(this.#queue.length / 2) : Infinity));
  }

  /** Whether what waits is committed by halves, one encoded while the other syncs. */
  get #goesInHalves(): boolean {
    const half = this.#writing ? this.#queue.queuedBytes : this.#queue.queuedBytes / 2;
    if (half < DEFLATE_BYTES_MIN) return false;
    return this.#balance.isDiskFaster(this.#queue.queuedBytes + (this.#writing?.bytes ?? 0));
  }

  #prepare(operations: readonly Operation[]): void {
    const { clock, writerId } = this.#context;
    const began = this.#now;
    const { prepared, encoded } = prepare(operations, {
      base: this.#latest,
      writerId: writerId(),
      now: clock.now(),
      onThrown: (operation, error) => this.#reject([operation], error),
    });
    const finish = () => {
      this.#preparing = undefined;
      this.#balance.encoded(this.#now - began, prepared.bytes);
      this.#prepared(prepared);
    };
    if (!encoded) return finish();
    this.#preparing = encoded.then(finish, (error: unknown) => {
      this.#preparing = undefined;
      // Making an entry of what was deflated fails where memory is short, most likely.
      this.#fail(error, prepared.operations);
    });
  }

  #prepared(prepared: Prepared): void {
    // The disk refused the commit before it meanwhile.
    if (this.#phase.at === 'failed') {
      this.#reject(prepared.operations, this.#phase.error);
      return this.#schedule();
    }
    if (this.#phase.at === 'settling' && this.#phase.givenUp)
      this.#reject(takeAppends(prepared), this.#phase.givenUp);
    this.#latest = prepared.draft.streams;
    this.#ready = prepared;
    this.#next();
  }

  #write(prepared: Prepared): void {
    this.#ready = undefined;
    this.#writing = prepared;
    const { changes } = prepared.draft;
    const began = this.#now;
    const written = changes.size === 0 ? Promise.resolve() : this.#context.write(changes);
    const onWritten = () => {
      if (changes.size > 0) this.#balance.written(this.#now - began);
      this.#written(prepared);
    };
    void written.then(onWritten, (error: unknown) => this.#settle(prepared, error as Error));
  }

  #written(prepared: Prepared): void {
    // Writing has ended, and everybody was told so.
    if (this.#phase.at === 'failed') return;
    // The commit itself is not held: what outlives the turn of those who are told costs the garbage collector.
    this.#balance.tells(this.#now, prepared.bytes);
    this.#writing = undefined;
    // What is ready goes to the disk at once; a new group waits a turn for those who are told now.
    if (this.#ready && this.#phase.at === 'open') this.#write(this.#ready);
    this.#take(prepared);
  }

  get #now(): number {
    return this.#context.clock.monotonic();
  }

  /** What was written is the state now, unless it was repaired since. */
  #take({ draft, operations }: Prepared, repaired?: Streams): void {
    this.#queue.release(operations);
    this.#know(repaired ?? draft.streams, repaired ? [...repaired.keys()] : draft.changedKinds);
    this.#teller.tell(operations);
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
    if (this.#phase.at === 'failed') return;
    const settling: Phase & { at: 'settling' } = { at: 'settling' };
    this.#phase = settling;
    const { changes } = prepared.draft;
    const giveUp = () => {
      if (settling.givenUp) return;
      settling.givenUp = refusedError(error);
      for (const commit of this.#ready ? [prepared, this.#ready] : [prepared]) {
        this.#reject(takeAppends(commit), settling.givenUp);
      }
    };
    try {
      let settled = await this.#context.settle(changes, error, giveUp);
      while (settled === false && !settling.givenUp) {
        settled = await this.#context.write(changes).then(
          () => true,
          (again: unknown) => this.#context.settle(changes, again as Error, giveUp),
        );
      }
      // What was prepared on another state is void.
      if (typeof settled === 'object') giveUp();
      // What is still being encoded keeps its place behind what is put back.
      await this.#preparing;
      if (this.#phase !== settling) return;
      this.#phase = { at: 'open' };
      if (!settling.givenUp) this.#written(prepared);
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
    this.#ready = undefined;
    this.#writing = undefined;
    this.#latest = this.#durable;
  }

  /** The end of writing: everything that waits is rejected. With a seq, its fate is unknown. */
  #fail(cause: unknown, encoding: readonly Operation[] = []): void {
    const error = cause instanceof WalError ? cause : refusedError(cause);
    this.#phase = { at: 'failed', error };
    const held = [...(this.#writing?.operations ?? []), ...(this.#ready?.operations ?? []), ...encoding];
    this.#reject([...held, ...this.#queue.remove('all')], error);
    this.#startOver();
    this.#schedule();
  }

  #reject(operations: readonly Operation[], error: Error): void {
    this.#queue.release(operations);
    for (const operation of operations) refuse(operation, error);
  }
}

/** What became of it is unknown. */
function refusedError(cause: unknown): WalError {
  return new WalError('WAL_IO', `the disk refused a commit: ${messageOf(cause)}`, { cause });
}
