// The one writer: every change of the disk is an operation in the next commit, and one commit is in flight.
//
// What arrives while a commit syncs forms the next: natural batching, no timer, no added latency. As soon as enough
// has come to fill an entry it is encoded, and deflated on the thread pool while more comes and commits before it sync,
// so that neither the thread, the pool nor the disk waits for the others.

import { WalError, messageOf } from '../errors.js';
import { Alarm } from './alarm.js';
import type { Append, Appended } from './encode.js';
import { ENTRY_BYTES, Numbers } from './encode.js';
import type { AppendRequest, Apply, Operation } from './queue.js';
import { KEYS_MAX, Queue, appendOperation } from './queue.js';
import type { Streams } from './state.js';
import { Draft } from './state.js';
import { Teller } from './teller.js';
import { Unit, areWorthWriting, bytesOf } from './unit.js';
import type { Gate, WriterContext } from './writer-context.js';

/** Bytes of lines that one commit takes, unless a single append has more; and that are encoded ahead of it. */
const COMMIT_BYTES_MAX = 4 * 1_048_576;

/** A commit: what to write, and whom to tell. */
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

const NEVER_MS = 2 ** 30;

export class Writer {
  readonly #context: WriterContext;
  readonly #queue = new Queue();
  /** Rings when the first of those that wait for company has waited long enough. */
  readonly #alarm: Alarm;
  /** What is on disk. */
  #durable: Streams;
  /** The seqs given on top of that. */
  #numbers: Numbers;
  #phase: Phase = { at: 'open' };
  #gate: Gate = { at: 'open' };
  /** What is encoded and not being written yet, in order. */
  #units: Unit[] = [];
  #writing: Prepared | undefined;
  readonly #teller = new Teller(() => this.#schedule());
  #scheduled = false;
  #closing = false;
  #idleWaiters: (() => void)[] = [];
  /** Keeps the process alive while anything waits: a clock's timers do not, and after a rejected write one is waited for. */
  readonly #alive = setInterval(() => {}, NEVER_MS).unref();

  constructor(streams: Streams, context: WriterContext) {
    this.#durable = streams;
    this.#numbers = new Numbers(streams);
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
    // Not a turn later: those who were just told come one by one, and what came first is deflated meanwhile.
    this.#encodeAhead();
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
    return this.#queue.length + this.#units.length + this.#teller.length === 0 && !this.#writing;
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
    this.#encodeAhead();
    this.#writeReady();
    // While anything is on its way, what is not enough to be encoded ahead waits for company.
    if (this.#writing || this.#units.length > 0) return;
    const appends = this.#gate.at === 'open';
    if (!this.#alarm.hasCome(this.#queue.dueAt(appends))) return;
    while (bytesOf(this.#units) < COMMIT_BYTES_MAX && this.#encode(appends));
    this.#writeReady();
  }

  /** Encodes what fills entries, as far as a commit reaches. */
  #encodeAhead(): void {
    if (this.#phase.at !== 'open' || this.#gate.at !== 'open') return;
    while (this.#queue.queuedBytes >= ENTRY_BYTES && bytesOf(this.#units) < COMMIT_BYTES_MAX)
      this.#encode(true);
  }

  /** The next operations, if there are any. */
  #encode(appends: boolean): boolean {
    const operations = this.#queue.take(appends, ENTRY_BYTES);
    if (operations.length === 0) return false;
    const { clock, writerId } = this.#context;
    const unit = new Unit(operations, this.#numbers, writerId(), clock.now());
    this.#units.push(unit);
    unit.finish(() => this.#schedule());
    return true;
  }

  #writeReady(): void {
    if (this.#phase.at !== 'open' || this.#writing) return;
    const bytesMax = Math.min(this.#queue.waitingBytes, COMMIT_BYTES_MAX);
    if (areWorthWriting(this.#units, bytesMax)) this.#write(this.#compose());
  }

  /** Takes what is ready into one draft; operations that throw are rejected alone. */
  #compose(): Prepared {
    const draft = new Draft(this.#durable);
    const operations: Operation[] = [];
    let [bytes, keys] = [0, 0];
    for (let unit = this.#units[0]; unit?.isReady; unit = this.#units[0]) {
      bytes += unit.bytes;
      keys += unit.keys;
      if (operations.length > 0 && (bytes > COMMIT_BYTES_MAX || keys > KEYS_MAX)) break;
      this.#units.shift();
      const thrown = unit.apply(draft);
      for (const operation of unit.operations) {
        const error = thrown.get(operation);
        if (error) this.#reject([operation], error);
        else operations.push(operation);
        // The seqs of what is behind it are none any more.
        if (error && operation.is === 'append') this.#renumber(draft.streams);
      }
    }
    return { draft, operations };
  }

  /** What is encoded goes back to the queue: what it was numbered after will not be there. */
  #renumber(streams: Streams): void {
    this.#numbers = new Numbers(streams);
    this.#queue.putBack(this.#units.splice(0).flatMap(({ operations }) => operations));
    if (this.#gate.at === 'refusing') this.#reject(this.#queue.remove('appends'), this.#gate.error());
    this.#schedule();
  }

  #write(prepared: Prepared): void {
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
    const { draft, operations } = prepared;
    this.#know(draft.streams, draft.changedKinds);
    // What is ready goes to the disk first: those who are told make work for the thread.
    this.#writeReady();
    this.#tell(operations);
  }

  #tell(operations: readonly Operation[]): void {
    this.#queue.release(operations);
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
    this.#phase = { at: 'settling' };
    const { changes } = prepared.draft;
    let given = true;
    const giveUp = () => {
      if (!given) return;
      given = false;
      const unknown = new WalError('WAL_IO', `the disk refused a commit: ${messageOf(error)}`, {
        cause: error,
      });
      const { operations } = prepared;
      prepared.operations = operations.filter((operation) => operation.is === 'change');
      this.#reject(
        operations.filter((operation) => operation.is === 'append'),
        unknown,
      );
      this.#renumber(this.#durable);
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
    this.#writing = undefined;
    const { draft, operations } = prepared;
    if (streams) this.#know(streams, [...streams.keys()]);
    else if (isThere) this.#know(draft.streams, draft.changedKinds);
    if (isThere) this.#tell(operations);
    else this.#queue.putBack(operations);
    this.#renumber(this.#durable);
    this.#context.renewWriterId();
  }

  /** The end of writing: everything that waits is rejected. With a seq, its fate is unknown. */
  #fail(cause: unknown): void {
    const error =
      cause instanceof WalError
        ? cause
        : new WalError('WAL_IO', `the disk refused a commit: ${messageOf(cause)}`, { cause });
    this.#phase = { at: 'failed', error };
    const writing = this.#writing?.operations ?? [];
    const encoded = this.#units.splice(0).flatMap(({ operations }) => operations);
    this.#writing = undefined;
    this.#reject([...writing, ...encoded, ...this.#queue.remove('all')], error);
    this.#schedule();
  }

  #reject(operations: readonly Operation[], error: Error): void {
    this.#queue.release(operations);
    for (const operation of operations) operation.reject(error);
  }
}
