// The log: one LevelDB, its writer and its streams, as one thing with a life. Wires the files of this room;
// knows nothing of shipping, options or the command line.

import type { Clock } from '../clock.js';
import { WalError } from '../errors.js';
import type { WalEvent } from '../events.js';
import { Claims } from './claims.js';
import type { Apply } from './queue.js';
import { Writer } from './commit.js';
import type { Append, Appended } from './encode.js';
import { databaseFolder, removeOwner, writeOwner } from './folder.js';
import { Gauge } from './gauge.js';
import { lose } from './evict.js';
import { Handle } from './handle.js';
import { heal, isDiskFull } from './heal.js';
import { Mark } from './mark.js';
import type { LogIdentity } from './open.js';
import { newId } from './open.js';
import { addCursor } from './operations.js';
import { Reserve } from './reserve.js';
import type { StartOptions } from './start.js';
import { findTailDamage, startLog } from './start.js';
import type { StreamState, Streams } from './state.js';
import { newStream } from './state.js';
import type { Changes, Store } from './store.js';
import { openStore } from './store.js';
import { Trimmer } from './trim.js';

export interface LogOptions extends StartOptions {
  /** Bytes that the log may hold: how much is deleted before it is compacted follows from it. */
  readonly maxBytes: number;
  /** Bytes of disk to hold back for a full one; 0 for none. */
  readonly reserveBytes: number;
  readonly onEvent: (event: LogEvent) => void;
}

/** What the log has to tell of the disk. */
export type LogEvent = Extract<WalEvent, { type: 'write-failed' | 'disk-full' | 'recovered' | 'lost' }>;

/** How often a full disk is looked at again where nothing can be given up, in ms. */
const ROOM_RETRY_MS = 1000;

export class Log {
  readonly identity: LogIdentity;
  readonly dir: string;
  readonly clock: Clock;
  readonly trimmer: Trimmer;
  /**
   * Called when the disk is full and the database open again: gives up bytes of what is stored until there is
   * room for the reserve. False where there is nothing to give up. Set by whoever knows the policies.
   */
  makeRoom: (bytes: number) => Promise<boolean> = () => Promise.resolve(false);
  #writerId = newId();
  readonly claims = new Claims();
  readonly #writer: Writer;
  readonly #handle: Handle;
  readonly #reserve: Reserve;
  readonly #mark: Mark;
  readonly #gauge: Gauge;
  readonly #onEvent: (event: LogEvent) => void;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(changedKinds: readonly string[]) => void>();
  #streams: Streams;
  /** Work in the background that ends before the database closes. */
  #room: Promise<void> | undefined;
  #reserving: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    handle: Handle,
    mark: Mark,
    identity: LogIdentity,
    streams: Streams,
    options: LogOptions,
  ) {
    const { dir, clock, reserveBytes, onEvent, maxBytes } = options;
    this.#handle = handle;
    this.#mark = mark;
    this.#gauge = new Gauge(dir, handle, clock);
    this.#reserve = new Reserve(dir, reserveBytes);
    this.#onEvent = onEvent;
    this.identity = identity;
    this.dir = dir;
    this.clock = clock;
    this.#streams = streams;
    this.trimmer = new Trimmer(this, handle, Math.max(8 * 1_048_576, Math.floor(maxBytes / 16)));
    this.#writer = new Writer(streams, {
      clock,
      writerId: () => this.#writerId,
      renewWriterId: () => this.#renewWriterId(),
      write: (changes: Changes) => handle.commit(changes),
      committed: (next, changedKinds) => this.#committed(next, changedKinds),
      settle: (changes, error, giveUp) => this.#settle(changes, error, giveUp),
    });
  }

  /**
   * Opens the log in a folder, or makes it.
   *
   * @throws {WalError} `WAL_LOCKED` with the pid that holds it, `WAL_IO`, `WAL_CORRUPT`, `WAL_FORMAT_TOO_NEW`,
   *   `WAL_CONFIG`: no log is there and none is to be made, or it is another service's.
   */
  static async open(options: LogOptions): Promise<Log> {
    const { dir, clock, onEvent } = options;
    const { store, identity, streams, lost, recovered } = await startLog(options);
    try {
      const mark = await Mark.open(dir, identity.logId, clock);
      const log = new Log(new Handle(store), mark, identity, streams, options);
      await writeOwner(dir, { pid: process.pid, started: clock.now(), writerId: log.writerId });
      if (options.repairs) await log.#loseTail();
      await log.measure();
      log.#reserving = log.#reserve.make(log.#abort.signal);
      if (recovered !== undefined) onEvent({ type: 'recovered', message: recovered });
      for (const { kind, from, to } of lost) onEvent({ type: 'lost', kind, from, to, reason: 'corrupt' });
      return log;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * Checks the end of every stream, as far as LevelDB's last log file can reach: what it drops of a damaged file,
   * it drops without a word. What is missing is given up for lost, with a notice.
   */
  async #loseTail(): Promise<void> {
    for (const { kind } of this.#streams.values()) {
      for (const damage of await findTailDamage(this.#handle, this.stream(kind))) {
        await lose(this, kind, damage);
        this.#onEvent({ type: 'lost', kind, from: damage.from, to: damage.to, reason: 'corrupt' });
      }
    }
  }

  get store(): Store {
    return this.#handle;
  }

  /** New at every open; the first part of the ids that this open gives. */
  get writerId(): string {
    return this.#writerId;
  }

  /** What is on disk. */
  get streams(): Streams {
    return this.#streams;
  }

  stream(kind: string): Readonly<StreamState> {
    return this.#streams.get(kind) ?? newStream(kind);
  }

  get diskBytes(): number {
    return this.#gauge.diskBytes;
  }

  /** Bytes of records that were put aside. */
  get quarantineBytes(): number {
    let bytes = 0;
    for (const { cursors } of this.#streams.values()) {
      for (const cursor of cursors.values()) bytes += cursor.quarantineBytes;
    }
    return bytes;
  }

  /** Bytes of JSON that wait for the disk. */
  get pendingBytes(): number {
    return this.#writer.waitingBytes;
  }

  /** When a stream's oldest record on disk was appended, looked up at most a second ago; epoch ms. */
  oldestAppendedAt(kind: string): number | undefined {
    return this.#gauge.oldestAppendedAt(kind);
  }

  /** @throws {WalError} `WAL_OVERLOADED`, `WAL_IO`, `WAL_CLOSED`, as an append of so much would be rejected now. */
  checkRoom(records: number, bytes: number): void {
    this.#writer.checkRoom(records, bytes);
  }

  /** See `Writer.append`. */
  append(
    appends: readonly Append[],
    bytes: number,
    delayMs: number,
    also?: Apply<void>,
  ): Promise<readonly Appended[]> {
    return this.#writer.append(appends, bytes, delayMs, also);
  }

  /** See `Writer.change`. */
  change<T>(apply: Apply<T>, keysMax?: number): Promise<T> {
    return this.#writer.change(apply, keysMax);
  }

  /** Makes the cursors that are not there yet, before the oldest record on disk. */
  async addCursors(wanted: Iterable<readonly [kind: string, shipper: string]>): Promise<void> {
    const missing = [...wanted].filter(([kind, shipper]) => !this.stream(kind).cursors.has(shipper));
    if (missing.length === 0) return;
    const at = this.clock.now();
    await this.change((draft) => {
      for (const [kind, shipper] of missing) addCursor(draft, kind, shipper, at);
    }, missing.length);
  }

  /** Calls back after each commit. Returns how to end that. */
  onCommit(listener: (changedKinds: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything that waits now is on disk. See `Writer.flushed`. */
  flush(): Promise<void> {
    return this.#writer.flushed();
  }

  /**
   * Refuses what comes, commits what waits, ends the work in the background, closes the database. On a disk that
   * refuses, what waits is rejected: closing does not wait for somebody to make room.
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#abort.abort();
      this.#writer.gate = { at: 'open' };
      await this.#writer.close();
      await this.#room;
      await this.#reserving;
      await this.trimmer.close();
      await this.#gauge.idle();
      await this.#mark.close();
      // While the lock is still held: afterwards the file may be the next owner's.
      await removeOwner(this.dir);
      await this.#handle.close();
    })();
    return this.#closing;
  }

  #renewWriterId(): void {
    this.#writerId = newId();
    const owner = { pid: process.pid, started: this.clock.now(), writerId: this.#writerId };
    // For people only; a disk that has just refused a commit may well refuse this.
    writeOwner(this.dir, owner).catch(() => {});
  }

  /** After a rejected write: a new handle, then room. See `WriterContext.settle`. */
  async #settle(changes: Changes, error: Error, giveUp: () => void): Promise<boolean> {
    const full = isDiskFull(error);
    this.#onEvent({ type: full ? 'disk-full' : 'write-failed', message: error.message });
    await this.#reserving;
    const context = {
      dir: this.dir,
      clock: this.clock,
      handle: this.#handle,
      reserve: this.#reserve,
      openStore: () => openStore(databaseFolder(this.dir), false),
    };
    const refuse = () => {
      giveUp();
      this.#writer.gate = { at: 'refusing', error: () => diskError(full, error) };
    };
    // Appends wait for what is a matter of milliseconds where there is something to give up.
    this.#writer.gate = { at: 'held' };
    const isThere = await heal(context, changes, error, refuse, this.#abort.signal);
    if (full) this.#room ??= this.#makeRoom().finally(() => (this.#room = undefined));
    else this.#healed('a commit was refused; the database was opened again, nothing is lost');
    return isThere;
  }

  /** Gives records up until the reserve is there again; appends wait, or are refused where nothing can go. */
  async #makeRoom(): Promise<void> {
    const { bytes } = this.#reserve;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      if (await this.#reserve.make(signal)) {
        return this.#healed('the disk was full; there is room again, and the reserve is restored');
      }
      let made = false;
      try {
        made = await this.makeRoom(bytes);
        if (made) await this.trimmer.compactAll();
      } catch {
        // Refused again: the writer settles that, and this goes on behind it.
      }
      if (made) continue;
      const full = new WalError('WAL_IO', 'there is nothing to give up');
      this.#writer.gate = { at: 'refusing', error: () => diskError(true, full) };
      await this.clock.sleep(ROOM_RETRY_MS, signal);
    }
  }

  #healed(message: string): void {
    this.#writer.gate = { at: 'open' };
    this.#onEvent({ type: 'recovered', message });
  }

  #committed(streams: Streams, changedKinds: readonly string[]): void {
    this.#streams = streams;
    for (const listener of this.#listeners) listener(changedKinds);
    this.#mark.set(streams);
    this.#gauge.committed(streams, changedKinds);
    this.trimmer.wake();
  }

  /** Measures the folder now; returns its bytes. */
  measure(): Promise<number> {
    return this.#gauge.measure(this.#streams);
  }
}

function diskError(full: boolean, cause: Error): WalError {
  return full
    ? new WalError('WAL_FULL', 'the disk is full; the log takes records again as soon as there is room', {
        cause,
      })
    : new WalError('WAL_IO', `the disk refuses to be written to: ${cause.message}`, { cause });
}
