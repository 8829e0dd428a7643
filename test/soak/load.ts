// A service at work: appends at a steady rate, ships to a receiver that goes away now and then, evicts by hand
// once in a while. Says where it stands when it is asked.

import { randomBytes } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WalError } from '../../lib/errors.js';
import type { Shipper } from '../../lib/ship/shipper.js';
import { httpSink } from '../../lib/ship/sinks/http.js';
import { Wal } from '../../lib/wal.js';
import type { Child } from '../helpers/child.js';
import type { Order, Report } from './receiver-process.js';

export interface LoadOptions {
  varDir: string;
  /** The log's budget. */
  maxBytes: number;
  /** What is appended, at most: bytes of JSON a second. */
  bytesPerSecond: number;
  minutes: number;
  /** A process of receiver-process.ts. */
  receiver: Child;
}

/** Where the load stands. Bytes; `at` in seconds since it began. */
export interface Sample {
  at: number;
  disk: number;
  rss: number;
  /** What is not delivered, of all streams. */
  backlog: number;
  appended: number;
  isReceiverUp: boolean;
}

const TICK_MS = 20;
const RECORD_BYTES = 700;
/** Made once, so that the load's own garbage stays small; farther apart than deflate looks back. */
const TEXTS = Array.from({ length: 512 }, () => randomBytes((RECORD_BYTES * 3) / 4).toString('base64'));
/** One record in so many is an audit event, never dropped: an outage is long enough that their stream is full in the end. */
const AUDIT_ONE_IN = 2;
/** The receiver goes away for the second half of each round. */
const ROUND_S_MAX = 150;
/** Logs are evicted by hand so long before a round ends. */
const EVICT_BEFORE_END_S = 3;
/** How long the backlog may take once the receiver is back for good: the longest wait between attempts, and the rest. */
const DRAIN_MS_MAX = 180_000;

export class Load {
  readonly #wal: Wal<Record<string, object>>;
  readonly #shippers: readonly Shipper[];
  readonly #options: LoadOptions;
  readonly #started = performance.now();
  #appended = 0;
  #texts = 0;
  #refused = 0;
  #isReceiverUp = true;

  private constructor(wal: Wal<Record<string, object>>, url: string, options: LoadOptions) {
    this.#wal = wal;
    this.#options = options;
    const sink = httpSink({ baseUrl: url, gzip: true });
    this.#shippers = ['log', 'audit'].map((kind) => wal.ship(kind, sink));
  }

  static async open(options: LoadOptions): Promise<Load> {
    const { varDir, maxBytes, receiver } = options;
    const { url } = (await receiver.next()) as { url: string };
    return new Load(
      await Wal.open<Record<string, object>>({ service: 'soak', varDir, maxBytes }),
      url,
      options,
    );
  }

  /** Appends that a full log has refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Works until its time is over; the receiver is back then. */
  async run(): Promise<void> {
    const { minutes, bytesPerSecond, maxBytes } = this.#options;
    const totalS = minutes * 60;
    const roundS = totalS / Math.ceil(totalS / ROUND_S_MAX);
    for (let tick = 1, evictions = 0; this.#seconds < totalS; tick++) {
      const inRound = this.#seconds % roundS;
      this.#turnReceiver(inRound < roundS / 2);
      if (inRound > roundS - EVICT_BEFORE_END_S && evictions < this.#seconds / roundS) {
        evictions++;
        await this.#wal.evict({ kind: 'log', maxBytes: Math.floor(maxBytes / 8) });
      }
      await this.#append((bytesPerSecond * TICK_MS) / 1000);
      const earlyMs = tick * TICK_MS - (performance.now() - this.#started);
      if (earlyMs > 0) await sleep(earlyMs);
    }
    this.#turnReceiver(true);
  }

  /** Lets the rest arrive, and returns what is wrong then: with the log, and with what the receiver has. */
  async drain(): Promise<string[]> {
    const { receiver } = this.#options;
    const signal = AbortSignal.timeout(DRAIN_MS_MAX);
    await Promise.all(this.#shippers.map((shipper) => shipper.idle({ signal })));
    receiver.send('report' satisfies Order);
    const report = (await receiver.next()) as Report;
    const problems = (await this.#wal.verify()).problems.map(({ kind, what }) => `verify: ${kind}: ${what}`);
    for (const [kind, { seq, holes }] of Object.entries(report)) {
      const { lastSeq, shippers } = this.#wal.stats().streams[kind]!;
      const { dropped, lost } = shippers['default']!;
      if (seq !== lastSeq) problems.push(`${kind}: the receiver has all up to ${seq}, of ${lastSeq}`);
      if (holes > 0) problems.push(`${kind}: ${holes} holes that no notice stands for`);
      if (lost > 0) problems.push(`${kind}: ${lost} are lost`);
      if (kind === 'audit' && dropped > 0) problems.push(`${kind}: ${dropped} were dropped`);
    }
    return problems;
  }

  async sample(): Promise<Sample> {
    const { dir, streams } = this.#wal.stats();
    const shippers = Object.values(streams).flatMap((stream) => Object.values(stream.shippers));
    return {
      at: this.#seconds,
      disk: await usedBytes(dir),
      rss: process.memoryUsage.rss(),
      backlog: shippers.reduce((sum, { backlogBytes }) => sum + backlogBytes, 0),
      appended: this.#appended,
      isReceiverUp: this.#isReceiverUp,
    };
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  async #append(bytes: number): Promise<void> {
    const records = Array.from({ length: Math.max(AUDIT_ONE_IN, Math.round(bytes / RECORD_BYTES)) }, () => ({
      ts: Date.now(),
      text: TEXTS[this.#texts++ % TEXTS.length],
    }));
    const audited = records.splice(0, Math.round(records.length / AUDIT_ONE_IN));
    await Promise.all([this.#appendMany('log', records), this.#appendMany('audit', audited)]);
  }

  /** A full stream refuses, as it should. */
  async #appendMany(kind: string, records: readonly object[]): Promise<void> {
    try {
      await this.#wal.appendMany(kind, records);
      this.#appended += records.length * RECORD_BYTES;
    } catch (error) {
      if (!(error instanceof WalError) || error.code !== 'WAL_FULL' || kind !== 'audit') throw error;
      this.#refused += records.length;
    }
  }

  #turnReceiver(up: boolean): void {
    if (this.#isReceiverUp === up) return;
    this.#isReceiverUp = up;
    this.#options.receiver.send((up ? 'come back' : 'go') satisfies Order);
  }
}

/** What the folder takes of the disk, as `du` counts: all of it, the reserve too. Files may go meanwhile. */
async function usedBytes(dir: string): Promise<number> {
  const paths = [dir, ...(await readdir(dir, { recursive: true })).map((path) => join(dir, path))];
  const blocks = await Promise.all(
    paths.map((path) =>
      lstat(path).then(
        (stats) => stats.blocks,
        () => 0,
      ),
    ),
  );
  return blocks.reduce((sum, count) => sum + count * 512, 0);
}
