// A log under test and all that can happen to it, each as one call that leaves it quiet and the model told.

import { createHash } from 'node:crypto';
import { cpSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { WalOptions } from '../../lib/config.js';
import type { ReadItem } from '../../lib/passage.js';
import type { WireLine } from '../../lib/records.js';
import type { Shipper } from '../../lib/ship/shipper.js';
import type { Sink } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import { Wal } from '../../lib/wal.js';
import { turns, until } from '../helpers/until.js';
import type { Disk, Refusal } from './disk.js';
import { JumpingClock } from './jumping-clock.js';
import { LOG_BYTES, MAX_BYTES, Model } from './model.js';

export const CURSORS = ['log/default', 'audit/default', 'audit/second'] as const;
export type Cursor = (typeof CURSORS)[number];
export type Kind = 'log' | 'audit';
/** `poison`: it takes everything but one record in seven. `liar`: its receipts don't add up. */
export type Receiver = 'up' | 'down' | 'refusing' | 'liar' | 'poison';
/** What a process was about when it was gone. */
export type About = 'nothing' | 'appending' | 'shipping';

const POISON = 7;
/** Sends after which a receiver that takes nothing was tried enough. */
const TRIES = 3;
const POISON_TRIES = 60;
/** More than the disk refuses in a row. */
const OPENS_MAX = 20;

export class Subject {
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #clock = new JumpingClock();
  readonly #model = new Model();
  #wal!: Wal<Record<string, object>>;
  /** Of the folder that is the log's now: each crash leaves one behind. */
  #crashes = 0;
  #isClosing = false;
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
    return join(this.#folder, `var-${this.#crashes}`);
  }

  /** A disk that refuses what opening has to write is tried again, as a service would be started again. */
  async #open(maxBytes = MAX_BYTES): Promise<Wal<Record<string, object>>> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#openOnce(maxBytes);
      } catch (error) {
        const isRefused = error instanceof WalError && ['WAL_IO', 'WAL_FULL'].includes(error.code);
        if (!isRefused || tries === OPENS_MAX) throw error;
      }
    }
  }

  #openOnce(maxBytes: number): Promise<Wal<Record<string, object>>> {
    const options: WalOptions = {
      service: 'model',
      instance: 'main',
      varDir: this.#varDir,
      clock: this.#clock,
      maxBytes,
      maxAgeMs: 3_600_000,
      reserveBytes: 0,
      streams: {
        log: { maxBytes: LOG_BYTES, keepDeliveredBytes: 20_000 },
        audit: { shippers: ['default', 'second'], keepDeliveredBytes: 20_000 },
      },
    };
    return Wal.open<Record<string, object>>(options);
  }

  async append(kind: Kind, bytes: number): Promise<void> {
    const record = this.#record(bytes);
    await this.#taken(kind, [record], alone(this.#wal.append(kind, record)));
  }

  async appendMany(kind: Kind, count: number, bytes: number): Promise<void> {
    const records = Array.from({ length: count }, () => this.#record(bytes));
    await this.#taken(kind, records, this.#wal.appendMany(kind, records));
  }

  /** Several callers at once: each is told for itself. */
  async appendAtOnce(kind: Kind, callers: number): Promise<void> {
    const records = Array.from({ length: callers }, () => this.#record());
    const appended = records.map((record) => alone(this.#wal.append(kind, record)));
    const taken = records.map((record, n) => this.#taken(kind, [record], appended[n]!));
    await Promise.all(taken);
  }

  offer(kind: Kind): void {
    const record = this.#record();
    if (!this.#wal.offer(kind, record)) this.#model.refuse(record);
  }

  /** One of its own, of about so many bytes that hardly deflate. */
  #record(bytes = 0): { n: number; text: string } {
    const n = ++this.#records;
    const hash = createHash('shake256', { outputLength: Math.ceil((bytes * 3) / 4) + 1 });
    return { n, text: hash.update(String(n)).digest('base64').slice(0, bytes) };
  }

  /** Tells the model what a caller was told. */
  async #taken(
    kind: Kind,
    records: readonly { n: number }[],
    appended: Promise<readonly { id: string; seq: number }[]>,
  ): Promise<void> {
    try {
      const receipts = await appended;
      assert.is(receipts.length, records.length, 'all or nothing');
      for (const [n, { id, seq }] of receipts.entries()) this.#model.acknowledge(kind, id, seq, records[n]!);
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.#checkRefusal(kind, records, error);
      // Unknown, says `WAL_IO`: it may be there. Every other code says that it is not.
      if (error.code !== 'WAL_IO') for (const record of records) this.#model.refuse(record);
    }
  }

  /** Whether there was a reason to reject an append. */
  #checkRefusal(kind: Kind, records: readonly object[], error: WalError): void {
    if (error.code === 'WAL_CLOSED' && this.#isClosing) return;
    if (!['WAL_FULL', 'WAL_IO'].includes(error.code)) throw error;
    if (!this.#disk.isSound) return;
    assert.is(error.code, 'WAL_FULL', 'a sound disk takes everything');
    assert.is(kind, 'audit', 'promise 3: a stream that drops its oldest always takes more');
    const { storedBytes } = this.#wal.stats().streams[kind]!;
    const bytes = storedBytes + Buffer.byteLength(JSON.stringify(records));
    assert.ok(
      bytes > MAX_BYTES / 2,
      `promise 4: 'audit' is full only where it fills its budget, not with ${bytes}`,
    );
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
      // It stops where it has put aside as much as it may.
      await this.#wait(shipper, () => idle.is || sends >= triesMax || shipper.state.at === 'stopped');
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

  #sinkOf(cursor: Cursor, receiver: Receiver, onSend: () => void, onArrived = () => {}): Sink {
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
        const rejected = lines.filter(isPoison).map(({ id }) => ({ id, reason: 'poison' }));
        this.#model.arrive(cursor, lines, new Set(rejected.map(({ id }) => id)));
        onArrived();
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

  /** Moves a cursor back to somewhere in what is kept, if there is anything. */
  async replay(cursor: Cursor, share: number): Promise<void> {
    const [kind, shipper] = cursor.split('/') as [Kind, string];
    const { firstSeq, shippers } = this.#wal.stats().streams[kind]!;
    const before = shippers[shipper]!;
    if (before.seq < firstSeq) return;
    const from = Math.min(before.seq, firstSeq + Math.floor(share * (before.seq - firstSeq + 1)));
    this.#model.replay(cursor);
    try {
      const { records } = await this.#wal.replay(kind, { from, shipper });
      const after = this.#wal.stats().streams[kind]!.shippers[shipper]!;
      assert.is(after.backlogRecords, before.backlogRecords + records);
    } catch (error) {
      // So much more would not let the stream take records any more.
      if (!(error instanceof WalError) || error.code !== 'WAL_FULL') throw error;
    }
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

  /** Closes amid appends: each is told what became of it, and what comes later is refused. */
  async close(kind: Kind, appends: number): Promise<void> {
    const records = Array.from({ length: appends }, () => this.#record());
    const appended = records.map((record) => alone(this.#wal.append(kind, record)));
    this.#isClosing = true;
    const closed = this.#wal.close();
    const late = this.#record();
    const taken = records.map((record, n) => this.#taken(kind, [record], appended[n]!));
    await Promise.all([...taken, this.#taken(kind, [late], alone(this.#wal.append(kind, late))), closed]);
    this.#isClosing = false;
    this.#wal = await this.#open();
  }

  /**
   * The process is gone, with what it had in memory and was about to do: the log goes on from a copy of the folder
   * as it was at that moment, with another instance. What the last one did afterwards never happened.
   */
  async crash(about: About): Promise<void> {
    const last = this.#wal;
    // A copy takes a moment: what a new handle would do to the files meanwhile is no state of any moment.
    this.#disk.relent();
    await this.#settle();
    if (about === 'shipping') {
      await this.#crashWhileShipping();
    } else {
      // Its end is not waited for: whether it is in what is left is anybody's guess.
      const going = about === 'appending' ? last.append('audit', this.#record()) : Promise.resolve();
      this.#leave();
      // In the life that was left, it may be refused for a budget that is used up.
      await going.catch(() => {});
    }
    await last.close();
    this.#wal = await this.#open();
  }

  /** After the receiver has a batch, and before it is acknowledged. */
  async #crashWhileShipping(): Promise<void> {
    const gone = { is: false };
    const leave = () => {
      if (!gone.is) this.#leave();
      gone.is = true;
    };
    const sink = this.#sinkOf('audit/default', 'up', () => assert.not(gone.is), leave);
    const shipper = this.#wal.ship('audit', sink, { lingerMs: 0, batchMax: 10 });
    await until(() => gone.is || shipper.state.at === 'idle', 'a batch arrives');
    leave();
    await shipper.stop();
  }

  /** Copies the log's folder as it is. Never its LOCK: to open that file is to drop the lock of who holds it. */
  #leave(): void {
    const from = this.#varDir;
    this.#crashes++;
    const isCopied = (path: string) => basename(path) !== 'LOCK' && !path.endsWith('.sock');
    cpSync(from, this.#varDir, { recursive: true, filter: isCopied });
  }

  /** The disk refuses what comes next. */
  refuse(refusals: readonly Refusal[]): void {
    this.#disk.refuse(...refusals);
  }

  /** A bit of some file changes while nobody has it open. */
  async corrupt(where: number, bit: number): Promise<void> {
    await this.#wal.close();
    this.#model.damage();
    const folder = join(this.#varDir, 'nv-wal', 'model', 'main', 'db');
    const names = (await readdir(folder))
      .filter((name) => /\.(ldb|log)$|^MANIFEST-|^CURRENT$/.test(name))
      .toSorted();
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

  /** Until what was refused is written again, and what the bounds ask for is done. */
  async #settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      const settled = { is: false };
      // Evicts nothing: waits for what waits for the disk, and its turn after the evictions that are under way.
      const everything = { kind: 'log', maxBytes: Number.MAX_SAFE_INTEGER };
      const settling = this.#wal.evict(everything).then(() => (settled.is = true));
      settling.catch(() => {});
      await until(() => {
        this.#clock.advance(1);
        return settled.is;
      }, 'the disk takes what waits');
    }
    await turns(1);
    this.#disk.settled();
  }

  /** What is left is delivered: then every receiver has everything. */
  async end(): Promise<void> {
    this.#disk.relent();
    await this.#wal.close();
    // More may be put aside there: that keeps no shipper from its end.
    this.#wal = await this.#open(10 * MAX_BYTES);
    for (const cursor of CURSORS) await this.ship(cursor, 'up');
    await this.check();
    this.#model.checkDelivered(this.#wal.stats());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disk.relent();
    await this.#wal.close();
  }
}

/** The receipt of one append, as appendMany would give it. */
async function alone<T>(appended: Promise<T>): Promise<readonly T[]> {
  return [await appended];
}

function parseLine(line: string): WireLine {
  return JSON.parse(line) as WireLine;
}

function triesOf(receiver: Receiver): number {
  if (receiver === 'up') return Infinity;
  return receiver === 'poison' ? POISON_TRIES : TRIES;
}
