// When a batch goes: reads what comes after a place, as soon as it is a full batch or has waited long enough.
// Knows nothing of sinks; what can't be read is given up for lost first, so that reading never stops there.

import type { Clock } from '../clock.js';
import { WalError } from '../errors.js';
import { ReadAhead } from '../log/ahead.js';
import { lose } from '../log/evict.js';
import type { Log } from '../log/log.js';
import type { Range } from '../log/ledger.js';
import type { Damage } from '../log/read.js';
import { readAfter } from '../log/read.js';
import type { LoadedBatch } from './batch.js';
import { loadBatch } from './batch.js';
import { prepareBody } from './body.js';
import { Wake } from './wake.js';

export interface LoaderContext {
  readonly log: Log;
  readonly kind: string;
  readonly clock: Clock;
  readonly lingerMs: number;
  readonly batchMax: number;
  readonly batchBytes: number;
  /** Whether notices are part of a batch's body. */
  readonly notices: boolean;
  /** Whether a batch's gzip body is what will be sent: it is assembled at once, while the one before is on its way. */
  readonly gzips: boolean;
  /** Ends waiting. */
  readonly signal: AbortSignal;
  readonly onLost: (range: Range) => void;
}

export class Loader {
  readonly #context: LoaderContext;
  readonly #wake = new Wake();
  readonly #ahead: ReadAhead;
  /** Everything up to here was read. */
  #readTo = 0;
  /** The monotonic moment since which something above `#readTo` waits. */
  #waitingSince: number | undefined;
  /** The last chunk ended at a bound: what comes behind it has waited long enough. */
  #full = false;
  #hurried = 0;
  #interrupted = false;
  /** Lines in a batch: fewer while the destination takes fewer. */
  #batchMax: number;
  /** Lines in a batch while one is searched that the destination refuses. */
  #searchMax = Infinity;
  #rows = 8;

  constructor(context: LoaderContext) {
    this.#context = context;
    const { log, kind, batchMax } = context;
    this.#ahead = new ReadAhead({ store: log.store, kind, removals: () => log.claims.removals(kind) });
    this.#batchMax = batchMax;
    // A shipper that has stopped may be known for long, to its caller or by the error that it met last.
    context.signal.addEventListener('abort', () => this.#ahead.forget(), { once: true });
  }

  /** Begins again behind a seq: what was read beyond it counts for nothing. */
  rewind(seq: number): void {
    this.#ahead.forget();
    this.#goOn(seq, false);
  }

  /** Notes since when something waits, and wakes whoever waits for it. To be called after each commit. */
  look(): void {
    const { log, kind, clock } = this.#context;
    if (log.stream(kind).lastSeq > this.#readTo) this.#waitingSince ??= clock.monotonic();
    this.#wake.notify();
  }

  #goOn(readTo: number, full: boolean): void {
    this.#readTo = readTo;
    this.#waitingSince = undefined;
    this.look();
    this.#full = full && this.#waitingSince !== undefined;
    if (this.#context.signal.aborted) this.#ahead.forget();
  }

  /** Nothing lingers until the returned function is called. */
  hurry(): () => void {
    this.#hurried++;
    this.#wake.notify();
    return () => this.#hurried--;
  }

  /** The destination takes no more than so many lines for now; from there, batches grow. */
  shrink(lines: number): void {
    this.#batchMax = Math.max(1, Math.min(this.#batchMax, lines));
  }

  /** While something is refused, batches have at most so many lines. */
  search(lines: number): void {
    this.#searchMax = lines;
  }

  get #linesMax(): number {
    return Math.min(this.#batchMax, this.#searchMax);
  }

  /** A batch was taken: try twice as much next time, up to what is wanted. */
  grow(): void {
    this.#batchMax = Math.min(this.#batchMax * 2, this.#context.batchMax);
  }

  /** Ends waiting for the next batch, now or the next time: whoever waits for it has to look at something else first. */
  interrupt(): void {
    this.#interrupted = true;
    this.#wake.notify();
  }

  /** The next batch, as soon as it should go; `undefined` when told to stop, or interrupted. */
  async next(onWaiting: () => void): Promise<LoadedBatch | undefined> {
    while (!this.#context.signal.aborted && !this.#interrupted) {
      const loaded = await this.ready();
      if (loaded) return loaded;
      onWaiting();
      if (!this.#interrupted) await this.#waitForMore();
    }
    this.#interrupted = false;
    return undefined;
  }

  /** The next batch if one should go now. */
  async ready(): Promise<LoadedBatch | undefined> {
    const { log, kind, batchBytes, notices, gzips } = this.#context;
    while (this.#lingerLeftMs() === 0) {
      const stream = log.stream(kind);
      const removals = this.#ahead.removals(this.#readTo);
      const bounds = { upTo: stream.lastSeq, recordsMax: this.#linesMax, lineBytesMax: batchBytes };
      const chunk = await readAfter(this.#ahead, stream, this.#readTo, { ...bounds, rows: this.#rows });
      this.#rows = Math.max(1, chunk.rows);
      const damage = chunk.steps.find((step) => step.is === 'damage')?.damage;
      const bodies = { notices, lineBytesMax: batchBytes };
      const loaded = damage ?? (await loadBatch(log.identity, kind, chunk.steps, removals, bodies));
      if ('batch' in loaded) {
        if (gzips) prepareBody(loaded.batch);
        this.#goOn(loaded.to, chunk.full);
        return loaded;
      }
      await this.#lose(loaded, removals);
      this.#ahead.forget();
    }
    return undefined;
  }

  /** The first record above a seq, as a batch of its own; `undefined` where none is there that can be read. */
  async single(after: number): Promise<LoadedBatch | undefined> {
    const { log, kind, batchBytes } = this.#context;
    let from = after;
    for (;;) {
      const stream = log.stream(kind);
      const removals = log.claims.removals(kind);
      const bounds = { upTo: stream.lastSeq, recordsMax: 1, lineBytesMax: batchBytes, rows: 1 };
      const [step] = (await readAfter(log.store, stream, from, bounds)).steps;
      if (!step || step.is === 'damage') return undefined;
      from = step.to;
      if (step.is === 'notice') continue;
      const bodies = { notices: false, lineBytesMax: batchBytes };
      const loaded = await loadBatch(log.identity, kind, [step], removals, bodies);
      return 'batch' in loaded ? loaded : undefined;
    }
  }

  async #waitForMore(): Promise<void> {
    const { clock, signal } = this.#context;
    const lingerMs = this.#lingerLeftMs();
    // Asked again here, without a turn in between: a notification after `ready` looked would be missed.
    if (lingerMs === 0) return;
    // Linked by hand: AbortSignal.any on a signal that lives as long as the process leaks in Node 20 and 22.
    const over = new AbortController();
    const stop = () => over.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const waits = [this.#wake.wait(over.signal)];
    if (lingerMs !== undefined) waits.push(clock.sleep(lingerMs, over.signal));
    await Promise.race(waits);
    signal.removeEventListener('abort', stop);
    over.abort();
  }

  /** How long what waits may still wait for company; `undefined` where nothing waits. */
  #lingerLeftMs(): number | undefined {
    const { log, kind, clock, lingerMs } = this.#context;
    if (this.#waitingSince === undefined) return undefined;
    const waiting = log.stream(kind).lastSeq - this.#readTo;
    if (waiting >= this.#linesMax || this.#hurried > 0 || this.#full) return 0;
    return Math.max(0, this.#waitingSince + lingerMs - clock.monotonic());
  }

  async #lose(damage: Damage, removals: number): Promise<void> {
    const { log, kind, onLost } = this.#context;
    const { from, to, what } = damage;
    const lost = await lose(log, kind, damage, removals);
    if (lost) return onLost(lost);
    // Removed while it was read: it only looked like damage. What is being removed is gone after one turn of the writer.
    if (log.claims.isTouched(kind, damage, removals)) return await log.change(() => {});
    throw new WalError('WAL_CORRUPT', `${what} at ${from} to ${to} of '${kind}', held by another shipper`);
  }
}
