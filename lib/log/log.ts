// The log: one LevelDB, its writer and its streams, as one thing with a life. Wires the files of this room;
// knows nothing of shipping, options or the command line.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import { Claims } from './claims.js';
import type { Apply } from './commit.js';
import { Writer } from './commit.js';
import type { Append, Appended } from './encode.js';
import {
  databaseFolder,
  diskBytes,
  isFolder,
  readOwner,
  removeOwner,
  syncFolder,
  writeOwner,
} from './folder.js';
import type { LogIdentity } from './open.js';
import { loadStreams, newId, readIdentity, writeIdentity } from './open.js';
import { addCursor } from './operations.js';
import { entryAfter } from './seek.js';
import type { StreamState, Streams } from './state.js';
import { newStream } from './state.js';
import type { Changes, Store } from './store.js';
import { openStore } from './store.js';
import { Trimmer } from './trim.js';

export interface LogOptions {
  /** The log's folder; it must exist, `db/` in it is made where `create` says whose log it is. */
  readonly dir: string;
  readonly create?: { readonly service: string; readonly instance: string };
  readonly clock: Clock;
  /** Bytes that the log may hold: how much is deleted before it is compacted follows from it. */
  readonly maxBytes: number;
  readonly onWriteFailed: (error: Error) => void;
}

/** How often the folder is measured at most, in ms: between commits, never by a timer. */
const MEASURE_EVERY_MS = 1000;

export class Log {
  readonly identity: LogIdentity;
  readonly dir: string;
  readonly clock: Clock;
  readonly trimmer: Trimmer;
  /** New at every open; the first part of the ids that this open gives. */
  readonly writerId = newId();
  readonly claims = new Claims();
  readonly #writer: Writer;
  readonly #store: Store;
  readonly #onWriteFailed: (error: Error) => void;
  readonly #listeners = new Set<(changedKinds: readonly string[]) => void>();
  #streams: Streams;
  readonly #oldest = new Map<string, number>();
  #diskBytes = 0;
  #measuredAt = -Infinity;
  #measuring: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(store: Store, identity: LogIdentity, streams: Streams, options: LogOptions) {
    this.#store = store;
    this.identity = identity;
    this.dir = options.dir;
    this.clock = options.clock;
    this.#streams = streams;
    this.#onWriteFailed = options.onWriteFailed;
    this.trimmer = new Trimmer(this, store, Math.max(8 * 1_048_576, Math.floor(options.maxBytes / 16)));
    this.#writer = new Writer(streams, {
      clock: options.clock,
      writerId: () => this.writerId,
      write: (changes: Changes) => store.commit(changes),
      committed: (next, changedKinds) => this.#committed(next, changedKinds),
      settle: (_changes, error) => {
        this.#onWriteFailed(error);
        return Promise.reject(error);
      },
    });
  }

  /**
   * Opens the log in a folder, or makes it.
   *
   * @throws {WalError} `WAL_LOCKED` with the pid that holds it, `WAL_IO`, `WAL_CORRUPT`, `WAL_FORMAT_TOO_NEW`,
   *   `WAL_CONFIG`: no log is there and none is to be made, or it is another service's.
   */
  static async open(options: LogOptions): Promise<Log> {
    const { dir, create, clock } = options;
    const database = databaseFolder(dir);
    const isNew = !(await isFolder(database));
    if (isNew && !create) throw new WalError('WAL_CONFIG', `no log in ${dir}`);
    const store = await openOrExplain(dir, database, create !== undefined);
    try {
      if (isNew) for (const path of [database, dir]) await syncFolder(path);
      const identity = (await readIdentity(store)) ?? (await makeIdentity(store, dir, create, clock));
      checkOwnership(identity, options);
      const log = new Log(store, identity, await loadStreams(store), options);
      await writeOwner(dir, { pid: process.pid, started: clock.now(), writerId: log.writerId });
      await log.#measure();
      return log;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get store(): Store {
    return this.#store;
  }

  /** What is on disk. */
  get streams(): Streams {
    return this.#streams;
  }

  stream(kind: string): Readonly<StreamState> {
    return this.#streams.get(kind) ?? newStream(kind);
  }

  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** Bytes of records that were put aside. */
  get quarantineBytes(): number {
    let bytes = 0;
    for (const { cursors } of this.#streams.values()) {
      for (const cursor of cursors.values()) bytes += cursor.quarantineBytes;
    }
    return bytes;
  }

  get pendingRecords(): number {
    return this.#writer.waitingRecords;
  }

  /** Bytes of JSON that wait for the disk. */
  get pendingBytes(): number {
    return this.#writer.waitingBytes;
  }

  /** When a stream's oldest record on disk was appended, looked up at most a second ago; epoch ms. */
  oldestAppendedAt(kind: string): number | undefined {
    return this.#oldest.get(kind);
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

  /** Resolves when everything that waits is on disk. */
  flush(): Promise<void> {
    return this.#writer.drained();
  }

  /** Refuses what comes, commits what waits, ends the work in the background, closes the database. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#writer.close();
      await this.trimmer.close();
      await this.#measuring;
      // While the lock is still held: afterwards the file may be the next owner's.
      await removeOwner(this.dir);
      await this.#store.close();
    })();
    return this.#closing;
  }

  #committed(streams: Streams, changedKinds: readonly string[]): void {
    this.#streams = streams;
    for (const kind of changedKinds) {
      const { head, lastSeq } = this.stream(kind);
      if (head.seq >= lastSeq) this.#oldest.delete(kind);
      else if (!this.#oldest.has(kind)) this.#oldest.set(kind, this.clock.now());
    }
    for (const listener of this.#listeners) listener(changedKinds);
    this.trimmer.wake();
    if (this.clock.monotonic() - this.#measuredAt >= MEASURE_EVERY_MS) void this.#measure();
  }

  /** Measures the folder now. */
  async measure(): Promise<number> {
    await this.#measuring;
    await this.#measure();
    return this.#diskBytes;
  }

  #measure(): Promise<void> {
    this.#measuredAt = this.clock.monotonic();
    this.#measuring ??= (async () => {
      try {
        this.#diskBytes = await diskBytes(this.dir);
        for (const { kind, head } of this.#streams.values()) {
          const oldest = await entryAfter(this.#store, kind, head.seq);
          if (oldest) this.#oldest.set(kind, oldest.appendedAt);
        }
      } catch {
        // A folder that can't be listed keeps its last size; the next commit tells what is wrong with it.
      } finally {
        this.#measuring = undefined;
      }
    })();
    return this.#measuring;
  }
}

async function openOrExplain(dir: string, database: string, create: boolean): Promise<Store> {
  try {
    return await openStore(database, create);
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== 'WAL_LOCKED') throw error;
    const owner = await readOwner(dir);
    const holder = owner ? `process ${owner.pid}` : 'another process';
    throw new WalError('WAL_LOCKED', `${dir} is held by ${holder}; stop it, or take another instance`, {
      cause: error,
    });
  }
}

async function makeIdentity(
  store: Store,
  dir: string,
  create: LogOptions['create'],
  clock: Clock,
): Promise<LogIdentity> {
  if (!create) throw new WalError('WAL_CORRUPT', `${dir} holds a database, but no log of this library`);
  const identity = { logId: newId(), ...create, created: clock.now() };
  try {
    await writeIdentity(store, identity);
  } catch (cause) {
    throw new WalError('WAL_IO', `can't write to ${dir}: ${messageOf(cause)}`, { cause });
  }
  return identity;
}

function checkOwnership({ service, instance }: LogIdentity, { dir, create }: LogOptions): void {
  if (create && (create.service !== service || create.instance !== instance)) {
    throw new WalError(
      'WAL_CONFIG',
      `${dir} holds the log of ${service}/${instance}, not of ${create.service}/${create.instance}`,
    );
  }
}
