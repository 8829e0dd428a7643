// The loop of one cursor: read what comes after it, deliver it, acknowledge it. Delivery knows how, the log
// knows what; this file knows when.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { WalEvent } from '../events.js';
import type { Log } from '../log/log.js';
import type { Acknowledgement, Quarantined } from '../log/operations.js';
import { acknowledge } from '../log/operations.js';
import type { WireLine } from '../records.js';
import type { Breaker } from './breaker.js';
import type { LoadedBatch } from './batch.js';
import { refusalNotices } from './batch.js';
import type { Delivery } from './delivery.js';
import { deliver } from './delivery.js';
import { Loader } from './loader.js';
import type { Batch, Receipt, Sink } from './sink.js';
import { Wake } from './wake.js';

/** The most that the wait after a failure on this side is drawn from, in ms. */
const RETRY_MS_MAX = 10_000;
/** Delivered batches whose acknowledgement is not on disk yet; beyond, delivery waits. A crash sends them again. */
const ACKNOWLEDGING_MAX = 64;

export interface ShipOptions {
  /** The cursor: one of the stream's declared shippers. @default 'default' */
  name?: string;
  /** How long the oldest waiting record may wait for a batch to fill, in ms. Integer, 0 to 60,000. @default 100 */
  lingerMs?: number;
  /** Lines in one request at most. Integer, 1 to 100,000. @default the log's `batchMax` */
  batchMax?: number;
  /** Bytes of lines in one request at most, unless a single record has more. Integer >= 1024. @default 1_048_576 */
  batchBytes?: number;
}

export type ShipperState =
  | { at: 'idle' }
  | { at: 'shipping'; from: number; to: number }
  /** A try failed; the next one comes at `until` (epoch ms). `open`: the circuit breaker holds it back. */
  | { at: 'waiting' | 'open'; until: number; attempt: number; error: string }
  | { at: 'stopped'; error?: string };

export interface ShipperContext {
  readonly log: Log;
  readonly kind: string;
  readonly sink: Sink;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly random: () => number;
  readonly options: Required<ShipOptions>;
  readonly onEvent: (event: WalEvent) => void;
  readonly onStopped: () => void;
}

export class Shipper {
  readonly #context: ShipperContext;
  readonly #abort = new AbortController();
  readonly #loader: Loader;
  readonly #progress = new Wake();
  readonly #running: Promise<void>;
  readonly #unsubscribe: () => void;
  #state: ShipperState = { at: 'idle' };
  /** A batch is on its way. */
  #sending = false;
  /** Everything up to here was delivered; the acknowledgement may be on its way to the disk. */
  #deliveredTo = 0;
  #failing = false;
  #lastShipAt: number | undefined;

  constructor(context: ShipperContext) {
    this.#context = context;
    const { log, kind, clock, sink, options, onEvent } = context;
    this.#loader = new Loader({
      ...options,
      log,
      kind,
      clock,
      notices: sink.notices !== false,
      signal: this.#abort.signal,
      onLost: ({ from, to }) => onEvent({ type: 'lost', kind, from, to, reason: 'corrupt' }),
    });
    this.#unsubscribe = log.onCommit((changedKinds) => {
      if (changedKinds.includes(kind)) this.#loader.look();
    });
    this.#running = this.#run();
  }

  get name(): string {
    return this.#context.options.name;
  }

  get kind(): string {
    return this.#context.kind;
  }

  get state(): ShipperState {
    return this.#state;
  }

  /** When a batch was last acknowledged: epoch ms. */
  get lastShipAt(): number | undefined {
    return this.#lastShipAt;
  }

  /**
   * Resolves when everything that was appended is delivered and acknowledged. Meanwhile nothing lingers, and
   * the process stays alive.
   *
   * @throws {WalError} `WAL_CLOSED` when the shipper stops before; the signal's reason when it fires.
   */
  async idle(options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    const { log } = this.#context;
    const keepAlive = setInterval(() => {}, 2 ** 30);
    const relax = this.#loader.hurry();
    try {
      await log.flush();
      while (this.#cursorSeq() < log.stream(this.kind).lastSeq) {
        signal?.throwIfAborted();
        if (this.#state.at === 'stopped') {
          const why = this.#state.error ?? 'it was stopped';
          throw new WalError('WAL_CLOSED', `the shipper ${this.name} of '${this.kind}' does not run: ${why}`);
        }
        await this.#progress.wait(signal);
      }
    } finally {
      relax();
      clearInterval(keepAlive);
    }
  }

  /**
   * Ends waits and requests at once, acknowledges what a receipt has come for, and resolves when nothing of
   * this shipper is left. What was not delivered stays, for the next `ship`.
   */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #cursorSeq(): number {
    return this.#context.log.stream(this.kind).cursors.get(this.name)?.seq ?? 0;
  }

  /** Ships until it is told to stop. What goes wrong on this side of the wire is tried again, too. */
  async #run(): Promise<void> {
    const { log, sink, kind, clock, random, onEvent } = this.#context;
    const { signal } = this.#abort;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#ship();
      } catch (error) {
        if (error instanceof WalError && error.code === 'WAL_CLOSED') break;
        const message = messageOf(error);
        if (attempt === 1)
          onEvent({ type: 'ship-failing', kind, shipper: this.name, sink: sink.name, message });
        const waitMs = Math.ceil(RETRY_MS_MAX * random());
        this.#state = { at: 'waiting', until: clock.now() + waitMs, attempt, error: message };
        await clock.sleep(waitMs, signal);
      }
    }
    this.#unsubscribe();
    log.claims.sent(kind, this.name);
    this.#state = { at: 'stopped' };
    this.#context.onStopped();
    this.#progress.notify();
  }

  /** Batch after batch, until told to stop. */
  async #ship(): Promise<void> {
    const acknowledged: Promise<void>[] = [];
    let ahead: Promise<LoadedBatch | undefined> | undefined;
    this.#loader.rewind(this.#cursorSeq());
    try {
      while (!this.#abort.signal.aborted) {
        const loaded = (await ahead) ?? (await this.#loader.next(() => (this.#state = { at: 'idle' })));
        ahead = undefined;
        if (!loaded) break;
        if (!this.#claim(loaded)) {
          await this.#startOver(acknowledged);
          continue;
        }
        // One batch ahead is read while this one is on its way.
        ahead = this.#loader.ready();
        ahead.catch(() => {});
        const settlement = await this.#settle(loaded);
        this.#sending = false;
        if (!settlement) break;
        if (settlement === 'too-large') {
          this.#loader.halve(loaded.batch.count);
          await ahead;
          ahead = undefined;
          await this.#startOver(acknowledged);
          continue;
        }
        this.#deliveredTo = loaded.to;
        const acknowledging = this.#acknowledge(loaded, settlement);
        acknowledging.catch(() => {});
        acknowledged.push(acknowledging);
        // Delivery goes on while acknowledgements are on their way to the disk, or wait for it to have room.
        if (acknowledged.length > ACKNOWLEDGING_MAX) await acknowledged.shift();
      }
      await Promise.all(acknowledged);
    } finally {
      await Promise.allSettled([ahead, ...acknowledged]);
    }
  }

  /** Goes back to the cursor, once all that was delivered is acknowledged. */
  async #startOver(acknowledged: Promise<void>[]): Promise<void> {
    await Promise.all(acknowledged.splice(0));
    // What is being evicted is gone after one turn of the writer.
    await this.#context.log.change(() => {});
    this.#loader.rewind(this.#cursorSeq());
  }

  /** Claims everything from the cursor to the batch's end; false where some of what was read was evicted since. */
  #claim(loaded: LoadedBatch): boolean {
    const { log } = this.#context;
    const range = { from: this.#cursorSeq() + 1, to: loaded.to };
    this.#sending = log.claims.send(this.kind, this.name, range, loaded.removals);
    return this.#sending;
  }

  /** Delivers a batch; then, where single records were refused, the notices that stand for them. */
  async #settle(loaded: LoadedBatch): Promise<readonly Quarantined[] | 'too-large' | undefined> {
    const { log, kind, clock } = this.#context;
    if (loaded.batch.count === 0) return [];
    const delivery = await this.#deliver(loaded.batch);
    if (delivery.is === 'too-large') return 'too-large';
    if (delivery.is === 'stopped') return undefined;
    const quarantined = await refusedRecords(loaded.batch, delivery.receipt.rejected);
    if (quarantined.length > 0 && this.#context.sink.notices !== false) {
      const seqs = quarantined.map((record) => record.seq);
      const notices = await this.#deliver(refusalNotices(log.identity, kind, seqs, clock.now()));
      // Nothing is acknowledged yet: the whole batch comes again, and with it the notices.
      if (notices.is !== 'settled') return undefined;
    }
    return quarantined;
  }

  async #deliver(batch: Batch): Promise<Delivery> {
    const { log, sink, breaker, clock, random, kind, onEvent } = this.#context;
    this.#state = { at: 'shipping', from: batch.firstSeq, to: batch.lastSeq };
    const failed = { kind, shipper: this.name, sink: sink.name };
    const delivery = await deliver(batch, {
      sink,
      breaker,
      clock,
      random,
      signal: this.#abort.signal,
      onFailed: (error, attempt, waitMs) => {
        log.claims.tried(kind, this.name);
        const at = breaker.openForMs > 0 ? 'open' : 'waiting';
        this.#state = { at, until: clock.now() + waitMs, attempt, error: error.message };
        // Once an outage, not once a try: an operator needs the first and the last word of it.
        if (!this.#failing) onEvent({ type: 'ship-failing', ...failed, message: error.message });
        this.#failing = true;
      },
    });
    if (delivery.is === 'settled') log.claims.tried(kind, this.name);
    if (delivery.is === 'settled' && this.#failing) {
      this.#failing = false;
      onEvent({ type: 'ship-recovered', ...failed, failedAttempts: delivery.attempts - 1 });
    }
    return delivery;
  }

  /** Moves the cursor over the batch, durably, and lets go of it. */
  async #acknowledge(loaded: LoadedBatch, quarantined: readonly Quarantined[]): Promise<void> {
    const { log, kind, clock, onEvent } = this.#context;
    const at = clock.now();
    const acknowledgement: Acknowledgement = {
      kind,
      shipper: this.name,
      after: loaded.from - 1,
      to: loaded.to,
      delivered: loaded.records - quarantined.length,
      quarantined,
      entries: loaded.entries,
      deletes: log.trimmer.deletesAtOnce(kind),
      at,
    };
    await log.change((draft) => acknowledge(draft, acknowledgement), loaded.entries.length + 3);
    this.#lastShipAt = at;
    if (!this.#sending && this.#cursorSeq() >= this.#deliveredTo) log.claims.sent(kind, this.name);
    this.#loader.grow();
    for (const { seq, reason } of quarantined) {
      onEvent({ type: 'quarantined', kind, shipper: this.name, seq, reason });
    }
    this.#progress.notify();
  }
}

/** The refused records with their lines. A refused notice is never put aside, so it can only be a mistake of the destination's. */
async function refusedRecords(batch: Batch, rejected: Required<Receipt>['rejected']): Promise<Quarantined[]> {
  if (rejected.length === 0) return [];
  const reasons = new Map(rejected.map(({ id, reason }) => [id, reason]));
  const refused: Quarantined[] = [];
  for (const line of (await batch.lines()).toString('utf8').split('\n')) {
    if (line === '') continue;
    const parsed = JSON.parse(line) as WireLine;
    const reason = reasons.get(parsed.id);
    if (reason === undefined || !('record' in parsed)) continue;
    refused.push({ seq: parsed.seq, line, reason, status: undefined, response: undefined });
  }
  return refused;
}
