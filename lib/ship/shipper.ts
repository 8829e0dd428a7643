// The loop of one cursor: read what comes after it, deliver it, acknowledge it. Delivery knows how, the log
// knows what; this file knows when.

import { WalError, messageOf } from '../errors.js';
import type { Acknowledgement, Quarantined } from '../log/operations.js';
import { timesReplayed } from '../log/ledger.js';
import { acknowledge } from '../log/operations.js';
import type { BreakerState } from './breaker.js';
import type { LoadedBatch } from './batch.js';
import type { Delivery } from './delivery.js';
import { deliver, isHeldBack } from './delivery.js';
import { Loader } from './loader.js';
import { Settling } from './settling.js';
import type { ShipperContext, ShipperState } from './shipper-context.js';
import type { Batch } from './sink.js';
import { behindRequests } from './turn.js';
import { Wake } from './wake.js';

/** The most that the wait after a failure on this side is drawn from, in ms. */
const RETRY_MS_MAX = 10_000;
/** Delivered batches whose acknowledgement is not on disk yet; beyond, delivery waits. A crash sends them again. */
const ACKNOWLEDGING_MAX = 64;

export class Shipper {
  readonly #context: ShipperContext;
  readonly #abort = new AbortController();
  readonly #loader: Loader;
  readonly #settling: Settling;
  readonly #progress = new Wake();
  readonly #committed = new Wake();
  readonly #running: Promise<void>;
  readonly #unsubscribe: () => void;
  #state: ShipperState = { at: 'idle' };
  /** A batch is on its way. */
  #sending = false;
  /** Everything up to here was sent, perhaps in batches that came to nothing. */
  #sentTo = 0;
  /** Everything up to here was delivered; the acknowledgement may be on its way to the disk. */
  #deliveredTo = 0;
  /** Tries that failed since a batch was last delivered and acknowledged. */
  #failures = 0;
  #lastShipAt: number | undefined;
  /** How often the cursor had been moved back when reading began. */
  #replays = 0;

  constructor(context: ShipperContext) {
    this.#context = context;
    const { log, kind, clock, sink, options, onEvent } = context;
    const { signal } = this.#abort;
    this.#loader = new Loader({
      ...options,
      log,
      kind,
      clock,
      notices: sink.notices !== false,
      gzips: sink.body === 'gzip',
      signal,
      onLost: ({ from, to }) => onEvent({ type: 'lost', kind, from, to, reason: 'corrupt' }),
    });
    this.#settling = new Settling({
      ...context,
      identity: log.identity,
      loader: this.#loader,
      signal,
      deliver: (batch) => this.#deliver(batch),
      claim: (loaded) => this.#claim(loaded),
      onRefused: (error, waitMs) => this.#failed('waiting', waitMs, error.message),
    });
    this.#unsubscribe = log.onCommit((changedKinds) => {
      if (changedKinds.includes(kind)) this.#loader.look();
      // It may wait for more at the end of the stream: from here on there is more.
      if (this.#isMovedBack) this.#loader.rewind(this.#cursorSeq());
      this.#committed.notify();
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

  /** How far the destination's clock is ahead, where the sink knows: ms. */
  get clockSkewMs(): number | undefined {
    return this.#context.sink.clockSkewMs;
  }

  /** Of its destination. */
  get breaker(): BreakerState {
    return this.#context.breaker.state;
  }

  /** When a batch was last acknowledged: epoch ms. */
  get lastShipAt(): number | undefined {
    return this.#lastShipAt;
  }

  /**
   * Resolves when everything that was appended, or up to `through`, is delivered and acknowledged. Meanwhile nothing
   * lingers, and the process stays alive.
   *
   * @throws {WalError} `WAL_CLOSED` when the shipper stops before; the signal's reason when it fires.
   */
  async idle({ signal, through = Infinity }: { signal?: AbortSignal; through?: number } = {}): Promise<void> {
    const { log } = this.#context;
    const keepAlive = setInterval(() => {}, 2 ** 30);
    const relax = this.#loader.hurry();
    try {
      await log.flush();
      while (this.#cursorSeq() < Math.min(through, log.stream(this.kind).lastSeq)) {
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

  /** @throws {WalError} `WAL_CLOSED` where the cursor was given up: there is nothing to ship from any more. */
  #cursorSeq(): number {
    const cursor = this.#context.log.stream(this.kind).cursors.get(this.name);
    if (cursor) return cursor.seq;
    throw new WalError('WAL_CLOSED', `the cursor '${this.name}' of '${this.kind}' was given up`);
  }

  /** What is read and on its way was so from another place: it is delivered again. */
  get #isMovedBack(): boolean {
    const cursor = this.#context.log.stream(this.kind).cursors.get(this.name);
    return cursor !== undefined && timesReplayed(cursor) !== this.#replays;
  }

  /** Ships until it is told to stop. What goes wrong on this side of the wire is tried again, too. */
  async #run(): Promise<void> {
    const { log, kind, clock, random, meter } = this.#context;
    const { signal } = this.#abort;
    let closed: string | undefined;
    while (!signal.aborted && closed === undefined) {
      try {
        await this.#ship();
      } catch (error) {
        const message = messageOf(error);
        if (error instanceof WalError && error.code === 'WAL_CLOSED') closed = message;
        else {
          const waitMs = Math.ceil(RETRY_MS_MAX * random());
          meter.failed('local', message);
          this.#failed('waiting', waitMs, message);
          await clock.sleep(waitMs, signal);
        }
      }
    }
    this.#unsubscribe();
    log.claims.sent(kind, this.name);
    this.#state = { at: 'stopped', ...(closed !== undefined && { error: closed }) };
    this.#context.onStopped();
    this.#progress.notify();
  }

  /** Batch after batch, until told to stop. */
  async #ship(): Promise<void> {
    const acknowledged: Promise<void>[] = [];
    let ahead: Promise<LoadedBatch | undefined> | undefined;
    this.#begin();
    try {
      while (!this.#abort.signal.aborted) {
        await this.#awaitRoom();
        const loaded = (await ahead) ?? (await this.#loader.next(() => (this.#state = { at: 'idle' })));
        ahead = undefined;
        if (!loaded) break;
        if (this.#isMovedBack || !this.#claim(loaded)) {
          await this.#startOver(acknowledged);
          continue;
        }
        // One batch ahead is read while this one is on its way.
        if (!this.#settling.isSearching) ahead = behindRequests().then(() => this.#loader.ready());
        ahead?.catch(() => {});
        const settlement = await this.#settling.settle(loaded);
        this.#sending = false;
        if (settlement.is === 'stopped') break;
        if (settlement.is === 'again') {
          await ahead;
          ahead = undefined;
          await this.#startOver(acknowledged);
          if (settlement.linesMax !== undefined) this.#loader.shrink(settlement.linesMax);
          continue;
        }
        this.#loader.grow();
        this.#deliveredTo = loaded.to;
        const acknowledging = this.#acknowledge(loaded, settlement.quarantined);
        // It may be that nothing more comes: what could not be acknowledged is delivered again at once.
        acknowledging.catch(() => this.#loader.interrupt());
        acknowledged.push(acknowledging);
        // Delivery goes on while acknowledgements are on their way to the disk, or wait for it to have room.
        if (acknowledged.length > ACKNOWLEDGING_MAX) await acknowledged.shift();
        // What is put aside is counted before more of it can come.
        if (settlement.quarantined.length > 0) await Promise.all(acknowledged.splice(0));
      }
      await Promise.all(acknowledged);
    } finally {
      await Promise.allSettled([ahead, ...acknowledged]);
      this.#sending = false;
    }
  }

  /** Begins at the cursor, wherever it is; nothing is on its way. */
  #begin(): void {
    const { log, kind } = this.#context;
    // Held until now, as the destination may have it. From here on, what is damaged in it can be given up.
    log.claims.sent(kind, this.name);
    this.#sentTo = 0;
    this.#deliveredTo = 0;
    this.#settling.reset();
    this.#replays = timesReplayed(log.stream(kind).cursors.get(this.name));
    this.#loader.rewind(this.#cursorSeq());
  }

  /** Goes back to the cursor, once all that was delivered is acknowledged. */
  async #startOver(acknowledged: Promise<void>[]): Promise<void> {
    await Promise.all(acknowledged.splice(0));
    // What is being evicted is gone after one turn of the writer.
    await this.#context.log.change(() => {});
    if (this.#isMovedBack) this.#begin();
    else this.#loader.rewind(this.#cursorSeq());
  }

  /**
   * Claims everything from the cursor to the batch's end, and what was sent before: the destination may have it
   * although no answer came. False where some of what was read was evicted since.
   */
  #claim(loaded: LoadedBatch): boolean {
    const { log } = this.#context;
    const range = { from: this.#cursorSeq() + 1, to: Math.max(loaded.to, this.#sentTo) };
    this.#sending = log.claims.send(this.kind, this.name, range, loaded.removals);
    if (this.#sending) this.#sentTo = range.to;
    return this.#sending;
  }

  /** Waits while this shipper has put records aside and the log's quarantine holds more than it may. */
  async #awaitRoom(): Promise<void> {
    const { log, kind, onEvent } = this.#context;
    const isFull = () =>
      log.quarantineBytes > log.quarantineBytesMax &&
      (log.stream(kind).cursors.get(this.name)?.quarantineBytes ?? 0) > 0;
    if (!isFull()) return;
    const error = `the quarantine holds ${log.quarantineBytes} bytes, ${log.quarantineBytesMax} may be (a tenth of maxBytes); look with nv-wal dump --quarantine and send it again`;
    this.#state = { at: 'stopped', error };
    onEvent({ type: 'ship-stopped', kind, shipper: this.name, message: error });
    this.#progress.notify();
    while (isFull() && !this.#abort.signal.aborted) await this.#committed.wait(this.#abort.signal);
  }

  async #deliver(batch: Batch): Promise<Delivery> {
    const { log, sink, breaker, meter, clock, random, kind } = this.#context;
    const delivery = await deliver(batch, {
      sink,
      breaker,
      clock,
      random,
      signal: this.#abort.signal,
      onTry: () => {
        meter.tried(clock.monotonic());
        this.#state = { at: 'shipping', from: batch.firstSeq, to: batch.lastSeq };
      },
      onFailed: (error, waitMs) => {
        log.claims.tried(kind, this.name);
        meter.failed(error.failure, error.message);
        this.#failed(isHeldBack(error, breaker) ? 'open' : 'waiting', waitMs, error.message);
      },
    });
    if (delivery.is === 'settled') meter.settled(clock.monotonic());
    else meter.ended();
    if (delivery.is === 'settled' || delivery.is === 'refused') log.claims.tried(kind, this.name);
    return delivery;
  }

  #failed(at: 'waiting' | 'open', waitMs: number, error: string): void {
    const { kind, sink, clock, onEvent } = this.#context;
    this.#failures++;
    this.#state = { at, until: clock.now() + waitMs, attempt: this.#failures, error };
    // Once an outage, not once a try: an operator needs the first and the last word of it.
    if (this.#failures > 1) return;
    onEvent({ type: 'ship-failing', kind, shipper: this.name, sink: sink.name, message: error });
  }

  #recovered(): void {
    const { kind, sink, onEvent } = this.#context;
    const failedAttempts = this.#failures;
    this.#failures = 0;
    onEvent({ type: 'ship-recovered', kind, shipper: this.name, sink: sink.name, failedAttempts });
  }

  /** Moves the cursor over the batch, durably, and lets go of it. Takes what it needs, so that no batch waits in memory for the disk. */
  #acknowledge(loaded: LoadedBatch, quarantined: readonly Quarantined[]): Promise<void> {
    const { log, kind, clock } = this.#context;
    return this.#commit({
      kind,
      shipper: this.name,
      after: loaded.from - 1,
      to: loaded.to,
      delivered: loaded.records - quarantined.length,
      quarantined,
      entries: loaded.entries,
      deletes: log.trimmer.deletesAtOnce(kind),
      at: clock.now(),
      replays: this.#replays,
    });
  }

  async #commit(acknowledgement: Acknowledgement): Promise<void> {
    const { log, kind, onEvent } = this.#context;
    const { entries, quarantined, at } = acknowledgement;
    const failures = this.#failures;
    await behindRequests();
    const isTaken = await log.change((draft) => acknowledge(draft, acknowledgement), entries.length + 3);
    if (!isTaken) return;
    this.#lastShipAt = at;
    const settled = Math.max(this.#deliveredTo, this.#sentTo);
    if (!this.#sending && this.#cursorSeq() >= settled) log.claims.sent(kind, this.name);
    // Only where nothing failed since this batch arrived: that would be the next batch's outage.
    if (failures > 0 && failures === this.#failures) this.#recovered();
    for (const { seq, reason } of quarantined) {
      onEvent({ type: 'quarantined', kind, shipper: this.name, seq, reason });
    }
    this.#progress.notify();
  }
}
