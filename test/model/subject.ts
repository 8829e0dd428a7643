// A log under test and all that can happen to it, each as one call that leaves it quiet and the model told.

import { cpSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { WalOptions } from '../../lib/config.js';
import type { ReadItem } from '../../lib/reading.js';
import type { WireLine } from '../../lib/records.js';
import type { Shipper } from '../../lib/ship/shipper.js';
import type { Sink } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import { Wal } from '../../lib/wal.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { turns, until } from '../helpers/until.js';
import type { Disk, Refusal } from './disk.js';
import { Model } from './model.js';

export const CURSORS = ['log/default', 'audit/default', 'audit/second'] as const;
export type Cursor = (typeof CURSORS)[number];
export type Kind = 'log' | 'audit';
/** `poison`: it takes everything but one record in seven. `liar`: its receipts don't add up. */
export type Receiver = 'up' | 'down' | 'refusing' | 'liar' | 'poison';

/** Bytes that the log stream may hold, as little as a stream can be bounded to. */
const LOG_BYTES = 65_536;
const POISON = 7;
/** Sends after which a receiver that takes nothing was tried enough. */
const TRIES = 3;
const POISON_TRIES = 60;
/** More than the disk refuses in a row. */
const OPENS_MAX = 20;

class JumpingClock extends ManualClock {
  #off = 0;

  override now(): number {
    return super.now() + this.#off;
  }

  override monotonic(): number {
    return super.now();
  }

  /** The wall clock is set; the monotonic one does not notice. */
  jump(ms: number): void {
    this.#off += ms;
  }
}

export class Subject {
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #clock = new JumpingClock();
  readonly #model = new Model();
  #wal!: Wal<Record<string, object>>;
  #opens = 0;
  #records = 0;

  private constructor(folder: string, disk: Disk) {
    this.#folder = folder;
    this.#disk = disk;
  }

  static async open(folder: string, disk: Disk): Promise<Subject> {
    const subject = new Subject(folder, disk);
    await mkdir(subject.#varDir);
    subject.#wal = await subject.#open();
    return subject;
  }

  get #varDir(): string {
    return join(this.#folder, `var-${this.#opens}`);
  }

  /** A disk that refuses what opening has to write is tried again, as a service would be started again. */
  async #open(): Promise<Wal<Record<string, object>>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#openOnce();
      } catch (error) {
        const isRefused = error instanceof WalError && ['WAL_IO', 'WAL_FULL'].includes(error.code);
        if (!isRefused || tries === OPENS_MAX) throw error;
      }
    }
  }

  #openOnce(): Promise<Wal<Record<string, object>>> {
    const options: WalOptions = {
      service: 'model',
      instance: 'main',
      varDir: this.#varDir,
      clock: this.#clock,
      maxBytes: 1_048_576,
      maxAgeMs: 3_600_000,
      reserveBytes: 0,
      streams: { log: { maxBytes: LOG_BYTES }, audit: { shippers: ['default', 'second'] } },
    };
    return Wal.open<Record<string, object>>(options);
  }

  async append(kind: Kind, count: number, bytes: number): Promise<void> {
    const records = Array.from({ length: count }, () => ({ n: ++this.#records, text: 'x'.repeat(bytes) }));
    const appended =
      count === 1
        ? this.#wal.append(kind, records[0]!).then((receipt) => [receipt])
        : this.#wal.appendMany(kind, records);
    await this.#taken(kind, records, appended);
  }

  /** Several callers at once: each is told for itself. */
  async appendAtOnce(kind: Kind, callers: number): Promise<void> {
    const records = Array.from({ length: callers }, () => ({ n: ++this.#records }));
    const appended = records.map((record) => this.#wal.append(kind, record));
    for (const [n, one] of appended.entries()) {
      await this.#taken(
        kind,
        [records[n]!],
        one.then((receipt) => [receipt]),
      );
    }
  }

  offer(kind: Kind): void {
    this.#wal.offer(kind, { n: ++this.#records });
  }

  async #taken(
    kind: Kind,
    records: readonly { n: number }[],
    appended: Promise<readonly { id: string; seq: number }[]>,
  ): Promise<void> {
    try {
      for (const [n, { id, seq }] of (await appended).entries())
        this.#model.acknowledge(kind, id, seq, records[n]!.n);
    } catch (error) {
      // Refused, or unknown: nothing was promised.
      if (!(error instanceof WalError) || !['WAL_FULL', 'WAL_IO'].includes(error.code)) throw error;
    }
  }

  /** Ships one cursor: until nothing is left where its receiver takes it, else for a few tries. */
  async ship(cursor: Cursor, receiver: Receiver): Promise<void> {
    const [kind, name] = cursor.split('/') as [Kind, string];
    const before = this.#wal.stats().streams[kind]!.shippers[name]!;
    let sends = 0;
    const sink = this.#sinkOf(cursor, receiver, () => sends++);
    const shipper = this.#wal.ship(kind, sink, { name, lingerMs: 0, batchMax: 10 });
    try {
      // A record that is refused alone, with none behind it, waits for evidence that the receiver works.
      const triesMax = triesOf(receiver);
      const idle = { is: false };
      const waiting = shipper.idle().then(() => (idle.is = true));
      waiting.catch(() => {});
      await this.#wait(shipper, () => idle.is || sends >= triesMax);
    } finally {
      await shipper.stop();
    }
    const after = this.#wal.stats().streams[kind]!.shippers[name]!;
    if (receiver !== 'poison')
      assert.is(after.quarantined, before.quarantined, 'promise 6: an outage is never poison');
    if (receiver === 'down' || receiver === 'refusing' || receiver === 'liar') {
      assert.is(after.delivered, before.delivered, 'promise 7: only positive proof counts');
    }
  }

  /** Lets time pass where only that helps: a shipper that waits to try again. */
  async #wait(shipper: Shipper, isOver: () => boolean): Promise<void> {
    await until(() => {
      const { at } = shipper.state;
      if (at === 'waiting' || at === 'open') this.#clock.advance(15_000);
      return isOver();
    });
  }

  #sinkOf(cursor: Cursor, receiver: Receiver, onSend: () => void): Sink {
    return {
      // Of its own: an outage of one receiver is not one of another, or of a later one.
      name: `${cursor}-${++this.#records}`,
      send: async (batch) => {
        onSend();
        const lines = String(await batch.lines())
          .split('\n')
          .slice(0, -1)
          .map(parseLine);
        if (receiver === 'down') throw new SinkError('outage', 'down');
        if (receiver === 'refusing') throw new SinkError('refused', 'no', { status: 422 });
        if (receiver === 'liar') return { accepted: lines.length - 1 };
        const isPoison = (line: WireLine) =>
          receiver === 'poison' && 'record' in line && Number(line.record['n']) % POISON === 0;
        this.#model.arrive(cursor, lines);
        const rejected = lines.filter(isPoison).map(({ id }) => ({ id, reason: 'poison' }));
        return { accepted: lines.length - rejected.length, rejected };
      },
    };
  }

  async evict(bytes: number): Promise<void> {
    await this.#wal.evict({ kind: 'log', maxBytes: bytes });
  }

  async evictOlder(ms: number): Promise<void> {
    await this.#wal.evict({ maxAgeMs: ms });
  }

  advance(ms: number): void {
    this.#clock.advance(ms);
  }

  jump(ms: number): void {
    this.#clock.jump(ms);
  }

  async compact(): Promise<void> {
    await this.#wal.compact();
  }

  async reopen(): Promise<void> {
    await this.#wal.close();
    this.#wal = await this.#open();
  }

  /** The process is gone, with what it had in memory and was about to do. */
  async crash(withAppend: boolean): Promise<void> {
    const last = this.#wal;
    // A copy takes a moment: what a new handle would do to the files meanwhile is no state of any moment.
    this.#disk.relent();
    await this.#settle();
    // Its end is not waited for: whether it is in what is left is anybody's guess.
    const going = withAppend ? last.append('audit', { n: ++this.#records }) : Promise.resolve();
    const from = this.#varDir;
    this.#opens++;
    cpSync(from, this.#varDir, { recursive: true, filter: (path) => !path.endsWith('.sock') });
    await going;
    await last.close();
    this.#wal = await this.#open();
  }

  /** The disk refuses what comes next. */
  refuse(refusals: readonly Refusal[]): void {
    this.#disk.refuse(...refusals);
  }

  /** A bit of some file changes while nobody has it open. */
  async corrupt(where: number, bit: number): Promise<void> {
    await this.#wal.close();
    this.#model.isDamaged = true;
    const folder = join(this.#varDir, 'nv-wal', 'model', 'main', 'db');
    const names = (await readdir(folder)).filter((name) => /\.(ldb|log)$/.test(name)).toSorted();
    const path = join(folder, names[where % Math.max(1, names.length)] ?? '');
    const bytes = names.length > 0 ? await readFile(path) : Buffer.alloc(0);
    if (bytes.length > 0) {
      const at = bit % (bytes.length * 8);
      bytes[at >> 3]! ^= 1 << (at & 7);
      await writeFile(path, bytes);
    }
    this.#wal = await this.#open();
  }

  /** Everything that must hold between any two calls. */
  async check(): Promise<void> {
    await this.#settle();
    const items: Record<string, ReadItem[]> = {};
    for (const kind of ['log', 'audit']) {
      items[kind] = [];
      for await (const item of this.#wal.read(kind)) items[kind].push(item as ReadItem);
    }
    this.#model.check({ stats: this.#wal.stats(), items, report: await this.#wal.verify() });
  }

  /** Until what was refused is written again, and the bounds are kept. */
  async #settle(): Promise<void> {
    for (let quiet = 0; quiet < 2;) {
      const flushed = { is: false };
      const flushing = this.#wal.evict({ kind: 'log', maxBytes: LOG_BYTES }).then(() => (flushed.is = true));
      await until(() => {
        this.#clock.advance(1);
        return flushed.is;
      }, 'the disk takes what waits');
      await flushing;
      quiet++;
    }
    // Nothing is on its way, so nothing is held.
    assert.ok(this.#wal.stats().streams['log']!.storedBytes <= LOG_BYTES, 'promise 3: bounded');
    await turns(1);
  }

  /** What is left is delivered: then every receiver has everything. */
  async end(): Promise<void> {
    this.#disk.relent();
    for (const cursor of CURSORS) await this.ship(cursor, 'up');
    await this.check();
    this.#model.checkDelivered(this.#wal.stats());
  }

  async close(): Promise<void> {
    this.#disk.relent();
    await this.#wal.close();
  }
}

function parseLine(line: string): WireLine {
  return JSON.parse(line) as WireLine;
}

function triesOf(receiver: Receiver): number {
  if (receiver === 'up') return Infinity;
  return receiver === 'poison' ? POISON_TRIES : TRIES;
}
