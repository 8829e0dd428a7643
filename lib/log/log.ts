// The log: one LevelDB, its writer and its streams, as one thing with a life. Wires the files of this room;
// knows nothing of shipping, options or the command line.

import type { Clock } from '../clock.js';
import { Claims } from './claims.js';
import type { Caller, Apply } from './queue.js';
import { Writer } from './commit.js';
import type { Append, Appended } from './encode.js';
import { databaseFolder, removeOwner, writeOwner } from './folder.js';
import { Gauge } from './gauge.js';
import { lose } from './evict.js';
import { Handle } from './handle.js';
import type { LogEvent } from './healer.js';
import { Healer } from './healer.js';
import { Mark, marksOf } from './mark.js';
import { entriesUpTo } from './keyspace.js';
import { CommitMeter } from './meter.js';
import type { LogIdentity } from './open.js';
import { newId } from './open.js';
import { addCursor } from './operations.js';
import { repair } from './recover.js';
import { Reserve } from './reserve.js';
import type { StartOptions } from './start.js';
import { startLog } from './start.js';
import type { StreamState, Streams } from './state.js';
import { newStream } from './state.js';
import type { Changes, Store } from './store.js';
import { openStore } from './store.js';
import { findTailDamage } from './tail.js';
import { Trimmer } from './trim.js';
import { setClean } from './unclean.js';

export interface LogOptions extends StartOptions {
  /** Bytes that the log may hold; a tenth of them may be put aside. */
  readonly maxBytes: number;
  /** Bytes of disk to hold back for a full one; 0 for none. */
  readonly reserveBytes: number;
  readonly onEvent: (event: LogEvent) => void;
}

export type { LogEvent } from './healer.js';

export class Log {
  readonly identity: LogIdentity;
  readonly dir: string;
  readonly clock: Clock;
  /** Bytes of disk that are held back for a full one. */
  readonly reserveBytes: number;
  /** Bytes of records that were put aside, beyond which no more should be: a tenth of what the log may hold. */
  readonly quarantineBytesMax: number;
  readonly trimmer: Trimmer;
  /**
   * Called when the disk is full and the database open again: gives up bytes of what is stored until there is
   * room for the reserve. False where there is nothing to give up. Set by whoever knows the policies.
   */
  makeRoom: (bytes: number) => Promise<boolean> = () => Promise.resolve(false);
  #writerId = newId();
  #socket: string | undefined;
  readonly claims = new Claims();
  readonly meter: CommitMeter;
  readonly #writer: Writer;
  readonly #handle: Handle;
  readonly #reserve: Reserve;
  readonly #healer: Healer;
  readonly #mark: Mark;
  readonly #gauge: Gauge;
  readonly #onEvent: (event: LogEvent) => void;
  readonly #listeners = new Set<(changedKinds: readonly string[]) => void>();
  #streams: Streams;
  #closing: Promise<void> | undefined;

  private constructor(store: Store, identity: LogIdentity, streams: Streams, options: LogOptions) {
    const { dir, clock, onEvent, maxBytes, reserveBytes } = options;
    const handle = new Handle(store, options.repairs ? () => this.#meetDamage() : undefined);
    this.#handle = handle;
    this.#mark = new Mark(dir, identity.logId, clock);
    this.#gauge = new Gauge(dir, handle, clock);
    this.meter = new CommitMeter(clock);
    this.#onEvent = onEvent;
    this.identity = identity;
    this.#reserve = new Reserve(options.dir, options.reserveBytes);
    this.#healer = this.#makeHealer(options);
    this.dir = dir;
    this.clock = clock;
    this.reserveBytes = reserveBytes;
    this.quarantineBytesMax = Math.floor(maxBytes / 10);
    this.#streams = streams;
    this.trimmer = new Trimmer(this, handle);
    this.#writer = new Writer(streams, {
      clock,
      writerId: () => this.#writerId,
      renewWriterId: () => this.#renewWriterId(),
      write: (changes: Changes) => this.meter.time(() => handle.commit(changes)),
      committed: (next, changedKinds) => this.#committed(next, changedKinds),
      settle: (changes, error, giveUp) => this.#healer.settle(changes, error, giveUp),
    });
  }

  /**
   * Opens the log in a folder, or makes it.
   *
   * @throws {WalError} `WAL_LOCKED` with the pid that holds it, `WAL_IO`, `WAL_CORRUPT`, `WAL_FORMAT_TOO_NEW`,
   *   `WAL_CONFIG`: no log is there and none is to be made, or it is another service's.
   */
  static async open(options: LogOptions): Promise<Log> {
    const { onEvent } = options;
    const { store, identity, streams, lost, recovered, migrated, full } = await startLog(options);
    try {
      const log = new Log(store, identity, streams, options);
      // For people only; a disk that is full is no reason not to open.
      await log.#writeOwner().catch(() => {});
      if (options.repairs) await log.#loseTail();
      await log.measure();
      log.#healer.begin(full);
      if (migrated) onEvent({ type: 'migrated', ...migrated });
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

  /** Whether all of the disk space that is to be held back is. */
  hasReserve(): Promise<boolean> {
    return this.#reserve.isThere();
  }

  /** Bytes of lines that wait for the disk. */
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

  /** See `Writer.enqueue`. */
  enqueue(kind: string, json: string, bytes: number, delayMs: number, caller: Caller): void {
    this.#writer.enqueue(kind, json, bytes, delayMs, caller);
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
   * To be called when the log is about to close, before those who use it end: from here on, nothing waits for a
   * disk to heal, and what can't be written is rejected.
   */
  endWaits(): void {
    this.#healer.end();
    this.#handle.giveUp();
  }

  /**
   * Refuses what comes, commits what waits, ends the work in the background, closes the database. On a disk that
   * refuses, what waits is rejected: closing does not wait for somebody to make room.
   *
   * `lastly` runs when nothing here touches the folder any more, while the lock is still held.
   */
  close(lastly: () => Promise<void> = async () => {}): Promise<void> {
    this.#closing ??= (async () => {
      this.endWaits();
      await this.#writer.close();
      await this.#healer.idle();
      await this.trimmer.close();
      await this.#gauge.idle();
      await this.#mark.close();
      // While the lock is still held: afterwards the file may be the next owner's.
      await removeOwner(this.dir);
      await setClean(this.dir);
      try {
        await lastly();
      } finally {
        await this.#handle.close();
      }
    })();
    return this.#closing;
  }

  #renewWriterId(): void {
    this.#writerId = newId();
    // For people only; a disk that has just refused a commit may well refuse this.
    this.#writeOwner().catch(() => {});
  }

  async #writeOwner(): Promise<void> {
    const { dir, clock, writerId } = this;
    const socket = this.#socket;
    const owner = {
      pid: process.pid,
      started: clock.now(),
      writerId,
      ...(socket !== undefined && { socket }),
    };
    await writeOwner(dir, owner);
  }

  /** Says in owner.json where the control socket is, where that is not in the folder itself. */
  async announceSocket(path: string): Promise<void> {
    this.#socket = path;
    await this.#writeOwner();
  }

  /** LevelDB can't read what it holds: a commit fails for that reason now, and is settled. */
  #meetDamage(): void {
    // Where nothing is written any more, nothing is repaired either.
    this.#touch().catch(() => this.#handle.giveUp());
  }

  /** A commit that changes nothing. */
  async #touch(): Promise<void> {
    const [stream] = this.#streams.values();
    if (!stream) return;
    await this.change((draft) => draft.setHead(draft.stream(stream.kind), draft.stream(stream.kind).head));
  }

  #committed(streams: Streams, changedKinds: readonly string[]): void {
    this.meter.committed(this.#streams, streams, changedKinds);
    this.#streams = streams;
    for (const listener of this.#listeners) listener(changedKinds);
    this.#mark.set(streams);
    this.#gauge.committed(streams, changedKinds);
    this.trimmer.wake();
  }

  #makeHealer({ dir, clock, repairs, onEvent }: LogOptions): Healer {
    const { service, instance } = this.identity;
    return new Healer({
      dir,
      clock,
      handle: this.#handle,
      reserve: this.#reserve,
      openStore: () => openStore(databaseFolder(dir), false),
      repair: repairs
        ? async (damage) => {
            const marks = marksOf(this.#streams);
            // What was read before it is not what is there now.
            for (const kind of this.#streams.keys()) this.claims.removed(kind, { from: 0, to: Infinity });
            return await repair({ dir, owner: { service, instance }, clock, marks }, damage);
          }
        : undefined,
      makeRoom: (bytes) => this.makeRoom(bytes),
      dead: () => [...this.#streams.values()].map(({ kind, head }) => entriesUpTo(kind, head.seq)),
      compact: async () => {
        await this.trimmer.sweep();
        await this.trimmer.compactTrimmed();
      },
      touch: () => this.#touch(),
      setGate: (gate) => (this.#writer.gate = gate),
      onEvent,
    });
  }

  /** Measures the folder now; returns its bytes. */
  measure(): Promise<number> {
    return this.#gauge.measure(this.#streams);
  }
}
