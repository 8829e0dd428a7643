// A service at work: appends at a steady rate, ships to a receiver that goes away now and then, evicts by hand
// once in a while. Says where it stands when it is asked.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WalError } from '../../lib/errors.js';
import { diskBytes } from '../../lib/log/folder.js';
import type { Sink } from '../../lib/ship/sink.js';
import { Wal } from '../../lib/wal.js';

export interface LoadOptions {
  varDir: string;
  /** The log's budget. */
  maxBytes: number;
  /** What is appended, at most: bytes of JSON a second. */
  bytesPerSecond: number;
  minutes: number;
}

/** Where the load stands. Bytes; `at` in seconds since it began. */
export interface Sample {
  at: number;
  disk: number;
  rss: number;
  /** What is not delivered, of all streams. */
  backlog: number;
  appended: number;
  isSinkUp: boolean;
}

const TICK_MS = 20;
const RECORD_BYTES = 700;
/** Made once, so that the load's own garbage stays small; farther apart than deflate looks back. */
const TEXTS = Array.from({ length: 512 }, () => randomBytes((RECORD_BYTES * 3) / 4).toString('base64'));
/** One record in so many is an audit event: they are never dropped. */
const AUDIT_SHARE = 20;
/** The receiver goes away for a part of each round, longer than the log can hold; rounds in all. */
const ROUNDS = 3;
const UP_SHARE = 0.4;
/** Records are dropped by hand in this part of a round, in seconds before its end. */
const EVICT_LAST_S = 5;

export class Load {
  readonly #wal: Wal<Record<string, object>>;
  readonly #options: LoadOptions;
  readonly #started = performance.now();
  #appended = 0;
  #texts = 0;
  #refused = 0;
  /** Waits that end when the receiver is back. */
  #waiting: (() => void)[] = [];
  #isSinkUp = true;

  private constructor(wal: Wal<Record<string, object>>, options: LoadOptions) {
    this.#wal = wal;
    this.#options = options;
    for (const kind of ['log', 'audit']) wal.ship(kind, this.#sinkOf(kind));
  }

  static async open(options: LoadOptions): Promise<Load> {
    const { varDir, maxBytes } = options;
    return new Load(await Wal.open<Record<string, object>>({ service: 'soak', varDir, maxBytes }), options);
  }

  /** Appends that a full log has refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Works until its time is over. */
  async run(): Promise<void> {
    const { minutes, bytesPerSecond } = this.#options;
    const totalS = minutes * 60;
    const roundS = totalS / ROUNDS;
    let evicted = 0;
    for (let tick = 1; this.#seconds < totalS; tick++) {
      const inRound = this.#seconds % roundS;
      this.#turnSink(inRound < roundS * UP_SHARE);
      if (inRound > roundS - EVICT_LAST_S && evicted < Math.ceil(this.#seconds / roundS)) {
        evicted++;
        await this.#wal.evict({ kind: 'log', maxBytes: Math.floor(this.#options.maxBytes / 2) });
      }
      await this.#append((bytesPerSecond * TICK_MS) / 1000);
      const behindMs = tick * TICK_MS - (performance.now() - this.#started);
      if (behindMs > 0) await sleep(behindMs);
    }
    this.#turnSink(true);
  }

  async sample(): Promise<Sample> {
    const { dir, streams } = this.#wal.stats();
    const shippers = Object.values(streams).flatMap((stream) => Object.values(stream.shippers));
    return {
      at: this.#seconds,
      disk: await diskBytes(dir),
      rss: process.memoryUsage.rss(),
      backlog: shippers.reduce((sum, { backlogBytes }) => sum + backlogBytes, 0),
      appended: this.#appended,
      isSinkUp: this.#isSinkUp,
    };
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  async #append(bytes: number): Promise<void> {
    const records = Array.from({ length: Math.max(1, Math.round(bytes / RECORD_BYTES)) }, () => ({
      ts: Date.now(),
      text: TEXTS[this.#texts++ % TEXTS.length],
    }));
    this.#appended += records.length * RECORD_BYTES;
    const audited = records.splice(0, Math.round(records.length / AUDIT_SHARE));
    await Promise.all([this.#appendMany('log', records), this.#appendMany('audit', audited)]);
  }

  /** A full stream refuses, as it should; the soak is about its bounds. */
  async #appendMany(kind: string, records: readonly object[]): Promise<void> {
    try {
      await this.#wal.appendMany(kind, records);
    } catch (error) {
      if (!(error instanceof WalError) || error.code !== 'WAL_FULL') throw error;
      this.#refused += records.length;
    }
  }

  #turnSink(up: boolean): void {
    this.#isSinkUp = up;
    if (up) for (const resume of this.#waiting.splice(0)) resume();
  }

  #sinkOf(kind: string): Sink {
    return {
      name: kind,
      send: async (batch, { signal }) => {
        if (!this.#isSinkUp) {
          await new Promise<void>((resolve, reject) => {
            this.#waiting.push(resolve);
            signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
          });
        }
        await batch.lines();
        return { accepted: batch.count };
      },
    };
  }
}
