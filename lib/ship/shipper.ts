// The loop of one cursor: read what comes after it, deliver it, acknowledge it. Delivery knows how, the log
// knows what; this file knows when.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { WalEvent } from '../events.js';
import { lose } from '../log/evict.js';
import type { Log } from '../log/log.js';
import type { Acknowledgement, Quarantined } from '../log/operations.js';
import { acknowledge } from '../log/operations.js';
import type { Damage } from '../log/read.js';
import { readAfter } from '../log/read.js';
import type { WireLine } from '../records.js';
import type { Breaker } from './breaker.js';
import type { LoadedBatch } from './batch.js';
import { loadBatch, refusalNotices } from './batch.js';
import type { Delivery } from './delivery.js';
import { deliver } from './delivery.js';
import type { Batch, Receipt, Sink } from './sink.js';
import { Wake } from './wake.js';

/** The most that the wait after a failure on this side is drawn from, in ms. */
const RETRY_MS_MAX = 10_000;

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
  readonly #wake = new Wake();
  readonly #progress = new Wake();
  readonly #running: Promise<void>;
  readonly #unsubscribe: () => void;
  #state: ShipperState = { at: 'idle' };
  /** Everything up to here was read. */
  #readTo: number;
  /** The monotonic moment since which something above `#readTo` waits. */
  #waitingSince: number | undefined;
  /** How many are waiting for the backlog to be empty: then nothing lingers. */
  #idlers = 0;
  /** Lines in a batch: fewer after the destination said that a batch was too large. */
  #batchMax: number;
  #rows = 8;
  /** The last chunk ended at a bound: what comes behind it has waited long enough. */
  #full = false;
  /** A batch is on its way. */
  #claimed = false;
  #failing = false;
  #lastShipAt: number | undefined;

  constructor(context: ShipperContext) {
    this.#context = context;
    this.#batchMax = context.options.batchMax;
    this.#readTo = this.#cursorSeq();
    this.#unsubscribe = context.log.onCommit((changedKinds) => {
      if (changedKinds.includes(context.kind)) this.#look();
    });
    this.#look();
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
    this.#idlers++;
    try {
      this.#wake.notify();
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
      this.#idlers--;
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

  /** Notes since when something waits, and wakes the loop. */
  #look(): void {
    const { lastSeq } = this.#context.log.stream(this.kind);
    if (lastSeq > this.#readTo) this.#waitingSince ??= this.#context.clock.monotonic();
    this.#wake.notify();
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
    let acknowledged: Promise<void> = Promise.resolve();
    let ahead: Promise<LoadedBatch | undefined> | undefined;
    this.#rewind();
    try {
      while (!this.#abort.signal.aborted) {
        const loaded = (await ahead) ?? (await this.#load());
        if (!loaded) break;
        if (!this.#claim(loaded)) {
          // Something was evicted since it was read. What is being evicted is gone after one turn of the writer.
          await acknowledged;
          await this.#context.log.change(() => {});
          this.#rewind();
          ahead = undefined;
          continue;
        }
        // One batch ahead is read while this one is on its way.
        ahead = this.#read();
        ahead.catch(() => {});
        const settlement = await this.#settle(loaded);
        this.#claimed = false;
        // The next batch goes out while this acknowledgement is on its way to the disk, but never two ahead.
        await acknowledged;
        if (!settlement) break;
        if (settlement === 'too-large') {
          this.#batchMax = Math.max(1, Math.floor(loaded.batch.count / 2));
          await ahead;
          this.#rewind();
          ahead = undefined;
          continue;
        }
        acknowledged = this.#acknowledge(loaded, settlement);
        acknowledged.catch(() => {});
      }
      await acknowledged;
    } finally {
      await Promise.allSettled([ahead, acknowledged]);
    }
  }

  /** Begins again behind the cursor: what was read beyond it counts for nothing. */
  #rewind(): void {
    this.#readTo = this.#cursorSeq();
    this.#waitingSince = undefined;
    this.#look();
  }

  /** Claims everything from the cursor to the batch's end; false where what was read may be gone. */
  #claim(loaded: LoadedBatch): boolean {
    const { log } = this.#context;
    const range = { from: this.#cursorSeq() + 1, to: loaded.to };
    if (!log.claims.send(this.kind, this.name, range, loaded.removals)) return false;
    this.#claimed = true;
    return true;
  }

  /** The next batch, as soon as one is full or has waited long enough; `undefined` when told to stop. */
  async #load(): Promise<LoadedBatch | undefined> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const loaded = await this.#read();
      if (loaded) return loaded;
      if (this.#state.at !== 'idle') this.#state = { at: 'idle' };
      await this.#waitForMore();
    }
    return undefined;
  }

  async #waitForMore(): Promise<void> {
    const { clock } = this.#context;
    const lingerMs = this.#lingerLeftMs();
    // Asked again here, without a turn in between: a notification after `#read` looked would be missed.
    if (lingerMs === 0) return;
    const turn = new AbortController();
    const stopped = AbortSignal.any([this.#abort.signal, turn.signal]);
    const waits = [this.#wake.wait(stopped)];
    if (lingerMs !== undefined) waits.push(clock.sleep(lingerMs, stopped));
    await Promise.race(waits);
    turn.abort();
  }

  /** How long what waits may still wait for company; `undefined` where nothing waits. */
  #lingerLeftMs(): number | undefined {
    const { log, clock, options } = this.#context;
    if (this.#waitingSince === undefined) return undefined;
    const waiting = log.stream(this.kind).lastSeq - this.#readTo;
    if (waiting >= this.#batchMax || this.#idlers > 0 || this.#full) return 0;
    return Math.max(0, this.#waitingSince + options.lingerMs - clock.monotonic());
  }

  /** Reads the next batch if there is one to send now. Damage is given up for lost first, and told. */
  async #read(): Promise<LoadedBatch | undefined> {
    const { log, kind, sink, options } = this.#context;
    while (this.#lingerLeftMs() === 0) {
      const stream = log.stream(kind);
      const removals = log.claims.removals(kind);
      const bounds = { upTo: stream.lastSeq, recordsMax: this.#batchMax, lineBytesMax: options.batchBytes };
      const chunk = await readAfter(log.store, stream, this.#readTo, { ...bounds, rows: this.#rows });
      this.#rows = Math.max(1, chunk.rows);
      const damage = chunk.steps.find((step) => step.is === 'damage')?.damage;
      const found =
        damage ?? (await loadBatch(log.identity, kind, chunk.steps, removals, sink.notices !== false));
      if (!('batch' in found)) {
        await this.#lose(found);
        continue;
      }
      const loaded = found;
      this.#readTo = loaded.to;
      this.#full = chunk.full && log.stream(kind).lastSeq > loaded.to;
      this.#waitingSince = undefined;
      this.#look();
      return loaded;
    }
    return undefined;
  }

  async #lose(damage: Damage): Promise<void> {
    const { log, kind, onEvent } = this.#context;
    const { from, to, what } = damage;
    const lost = await lose(log, kind, damage);
    if (!lost)
      throw new WalError('WAL_CORRUPT', `${what} at ${from} to ${to} of '${kind}', held by another shipper`);
    onEvent({ type: 'lost', kind, from, to, reason: 'corrupt' });
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
    const { sink, breaker, clock, random, kind, onEvent } = this.#context;
    this.#state = { at: 'shipping', from: batch.firstSeq, to: batch.lastSeq };
    const failed = { kind, shipper: this.name, sink: sink.name };
    const delivery = await deliver(batch, {
      sink,
      breaker,
      clock,
      random,
      signal: this.#abort.signal,
      onFailed: (error, attempt, waitMs) => {
        const at = breaker.openForMs > 0 ? 'open' : 'waiting';
        this.#state = { at, until: clock.now() + waitMs, attempt, error: error.message };
        // Once an outage, not once a try: an operator needs the first and the last word of it.
        if (!this.#failing) onEvent({ type: 'ship-failing', ...failed, message: error.message });
        this.#failing = true;
      },
    });
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
    if (!this.#claimed) log.claims.sent(kind, this.name);
    if (this.#batchMax < this.#context.options.batchMax) {
      this.#batchMax = Math.min(this.#batchMax * 2, this.#context.options.batchMax);
    }
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
