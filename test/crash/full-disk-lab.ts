// A log on a disk that refuses, and receivers that know what they were promised.

import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { WalOptions } from '../../lib/config.js';
import type { WalEvent } from '../../lib/events.js';
import type { Shipper } from '../../lib/ship/shipper.js';
import { Wal } from '../../lib/wal.js';
import { ManualClock } from '../helpers/manual-clock.js';
import type { AnyWal } from '../helpers/wal.js';
import { checkLedger } from './damage-promises.js';
import { Receiver } from './damage-receiver.js';

export const MIB = 1_048_576;
/** What LevelDB may need to be opened again: the option's default. */
export const RESERVE_BYTES = 24 * MIB;

export class FullDiskLab {
  readonly #varDir: string;
  readonly clock = new ManualClock();
  readonly events: WalEvent[] = [];
  readonly receivers = { log: new Receiver(), audit: new Receiver() };
  /** By kind: ids of what was acknowledged, and which number it had. */
  readonly acknowledged = { log: new Map<string, number>(), audit: new Map<string, number>() };
  /** By code: appends that were refused. */
  readonly refused = new Map<string, number>();
  #wal: AnyWal | undefined;
  #numbers = 0;
  #time: NodeJS.Timeout | undefined;

  constructor(varDir: string) {
    this.#varDir = varDir;
  }

  get wal(): AnyWal {
    return this.#wal!;
  }

  /** Time goes on by itself from here on, fast: whatever waits for it, in the log or at its end, must come on. */
  async open(options: Partial<WalOptions> = {}): Promise<void> {
    this.#time ??= setInterval(() => this.clock.advance(250), 1);
    this.#wal = await Wal.open<Record<string, object>>({
      service: 'lab',
      varDir: this.#varDir,
      adopt: false,
      maxBytes: 1024 * MIB,
      maxAgeMs: 1e12,
      clock: this.clock,
      onEvent: (event) => void this.events.push(event),
      ...options,
    });
  }

  /** Closes the log, wherever it is, and stops the time. */
  async end(): Promise<void> {
    try {
      await this.#wal?.close();
    } finally {
      clearInterval(this.#time);
    }
  }

  /** So many records, in one commit; whether they were taken. Each has some 8 KiB that can't be deflated to less than 6. */
  async append(kind: 'log' | 'audit', count: number): Promise<boolean> {
    const numbers = Array.from({ length: count }, () => ++this.#numbers);
    const records = numbers.map((n) => ({ n, text: randomBytes(6144).toString('base64') }));
    try {
      const places = await this.wal.appendMany(kind, records);
      for (const [at, { id }] of places.entries()) this.acknowledged[kind].set(id, numbers[at]!);
      return true;
    } catch (error) {
      const { code = String(error) } = error as { code?: string };
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
      return false;
    }
  }

  ship(kind: 'log' | 'audit'): Shipper {
    return this.wal.ship(kind, this.receivers[kind].sink(), { lingerMs: 0 });
  }

  /** Whether the last word on the disk is a good one. */
  get isHealed(): boolean {
    const last = this.events.findLast(({ type }) => type === 'disk-full' || type === 'recovered');
    return last?.type === 'recovered';
  }

  count(type: WalEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Waits until something holds. */
  async pass(holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let turn = 0; !(await holds()); turn++) {
      if (turn > 20_000) throw new Error(`waited in vain until ${String(holds)}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Opens it and waits for its reserve, which is written behind the open: a disk that is filled meanwhile has none. */
  async openWithReserve(options: { reserveBytes: number } = { reserveBytes: RESERVE_BYTES }): Promise<void> {
    await this.open(options);
    await this.pass(async () => (await this.reserveBytes()) === options.reserveBytes);
  }

  async reserveBytes(): Promise<number> {
    try {
      return (await stat(join(this.wal.dir, 'reserve'))).size;
    } catch {
      return 0;
    }
  }

  /**
   * Asserts that everything acknowledged arrives, or stands under a notice where it may: once, unchanged, and in
   * its place; that the ledger says what arrived; and that nothing is wrong with the log.
   */
  async checkArrival(): Promise<void> {
    for (const kind of ['log', 'audit'] as const) {
      const shipper = this.ship(kind);
      await shipper.idle();
      await shipper.stop();
      const receiver = this.receivers[kind];
      const stream = this.wal.stats().streams[kind];
      const lastSeq = stream?.lastSeq ?? 0;
      assert.equal(receiver.faults, []);
      assert.equal(receiver.missing(lastSeq), [], `every seq of ${kind}`);
      const arrived = new Map<string, number>();
      for (const { id, json } of receiver.records()) arrived.set(id, (JSON.parse(json) as { n: number }).n);
      const gone = receiver.count('disk-full') + receiver.count('size');
      if (kind === 'audit') assert.is(gone, 0);
      const missing = [...this.acknowledged[kind]].filter(([id, n]) => arrived.get(id) !== n);
      assert.ok(missing.length <= gone, `${missing.length} of ${kind} are missing, ${gone} may be`);
      const numbers = [...arrived.values()];
      assert.is(new Set(numbers).size, numbers.length, `no record of ${kind} arrives under two ids`);
      const { delivered = 0, dropped = 0, lost = 0 } = stream?.shippers['default'] ?? {};
      assert.equal(
        { delivered, dropped, lost },
        { delivered: receiver.count('record'), dropped: gone, lost: 0 },
      );
    }
    checkLedger(this.wal);
    assert.equal((await this.wal.verify()).problems, []);
  }
}
