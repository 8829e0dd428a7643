// The receiver's store in an embedded LevelDB: one process, one folder. The only file of this room that
// imports `level`.

import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Level } from 'level';
import { WalError, messageOf } from '../errors.js';
import type { Gap } from '../records.js';
import { FORMAT, idOfKey, keys, keysBelow, logIdOfKey, seal, seqOfKey, unseal } from './level-keys.js';
import { LevelDraft } from './level-draft.js';
import type { Arrival, IngestBatch, IngestStore, StoreResult, StoredLine } from './store.js';

/** Bytes of lines that one write takes at most; a single batch may have more. */
const WRITE_BYTES_MAX = 8_388_608;
const READ_AHEAD_BYTES = 1_048_576;

type Database = Level<string, Buffer>;

/** A batch that waits for its write, and its caller. */
interface Waiting {
  batch: IngestBatch;
  resolve: (result: StoreResult) => void;
  reject: (error: unknown) => void;
}

/**
 * `failed`: a write was rejected. LevelDB may report success for later writes through the same handle that
 * no later open will find, so nothing is written to it again; it still reads.
 */
type State = { at: 'open'; db: Database } | { at: 'failed'; db: Database } | { at: 'closed' };

/**
 * Opens the store in a folder, and makes the folder (mode 0700) where there is none. Its parent must be there:
 * it may be a volume that is not mounted.
 *
 * @throws {WalError} naming the path. `WAL_CONFIG`: no parent, not a folder, or another's database.
 *   `WAL_LOCKED`: open already, here or in another process. `WAL_FORMAT_TOO_NEW`. `WAL_CORRUPT`.
 *   `WAL_IO`: not writable, or anything else that the disk refuses.
 */
export async function openLevelStore(dir: string): Promise<IngestStore> {
  // Resolved once: the folder must stay the same one when the process changes its own.
  const path = resolve(dir);
  return new LevelIngestStore(path, await openDatabase(path));
}

class LevelIngestStore implements IngestStore {
  readonly #dir: string;
  readonly #waiting: Waiting[] = [];
  #state: State;
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(dir: string, db: Database) {
    this.#dir = dir;
    this.#state = { at: 'open', db };
  }

  store(batch: IngestBatch): Promise<StoreResult> {
    if (this.#closing) return Promise.reject(this.#closedError());
    return new Promise((resolve_, reject) => {
      this.#waiting.push({ batch, resolve: resolve_, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async count(kind: string): Promise<number> {
    const key = keys.count(kind);
    const value = await this.#readable().get(key);
    return value === undefined ? 0 : Number(this.#unsealed(key, value));
  }

  async *lines(kind: string): AsyncIterable<StoredLine> {
    for await (const [key, value] of this.#rows(`line/${kind}/`)) {
      yield { id: idOfKey(key), line: this.#unsealed(key, value) };
    }
  }

  async *arrivals(kind: string): AsyncIterable<Arrival> {
    for await (const [key, value] of this.#rows(`range/${kind}/`)) {
      const logId = logIdOfKey(key);
      const { service, instance } = await this.#senderOf(kind, logId);
      yield { logId, service, instance, from: seqOfKey(key), to: Number(this.#unsealed(key, value)) };
    }
  }

  async kinds(): Promise<string[]> {
    const kinds: string[] = [];
    for await (const [key] of this.#rows('count/')) kinds.push(key.slice('count/'.length));
    return kinds;
  }

  async notices(kind: string, logId: string, countMax: number): Promise<Gap[]> {
    const notices: Gap[] = [];
    for await (const [key, value] of this.#rows(keys.notices(kind, logId))) {
      if (notices.length === countMax) break;
      notices.push((JSON.parse(this.#unsealed(key, value).toString()) as { gap: Gap }).gap);
    }
    return notices;
  }

  async ownerOf(logId: string): Promise<string | undefined> {
    for (const kind of await this.kinds()) {
      const { service } = await this.#senderOf(kind, logId);
      if (service !== undefined) return service;
    }
    return undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #senderOf(kind: string, logId: string): Promise<Pick<Arrival, 'service' | 'instance'>> {
    const key = keys.log(kind, logId);
    const value = await this.#readable().get(key);
    if (value === undefined) return { service: undefined, instance: undefined };
    return JSON.parse(this.#unsealed(key, value).toString()) as Pick<Arrival, 'service' | 'instance'>;
  }

  async #close(): Promise<void> {
    await this.#writing;
    if (this.#state.at !== 'closed') await this.#state.db.close();
    this.#state = { at: 'closed' };
  }

  /**
   * The one writer: what arrives while a write is under way shares the next one and its fsync. One at a time
   * also makes reading what is there and writing the rest one step, so a line is accepted once.
   */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        const results = await this.#write(group.map(({ batch }) => batch));
        for (const [index, { resolve: resolve_ }] of group.entries()) resolve_(results[index]!);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = undefined;
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { batch } of this.#waiting) {
      for (const line of batch.lines) bytes += line.bytes.length;
      if (count > 0 && bytes > WRITE_BYTES_MAX) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(batches: IngestBatch[]): Promise<StoreResult[]> {
    const db = await this.#writable();
    try {
      const draft = await LevelDraft.of(db, batches);
      if (draft.changes.size > 0) {
        const write = db.batch();
        for (const [key, value] of draft.changes) {
          if (value === undefined) write.del(key);
          else write.put(key, value);
        }
        // Without `sync`, LevelDB resolves before the data is on disk.
        await write.write({ sync: true });
      }
      return draft.results;
    } catch (cause) {
      this.#state = { at: 'failed', db };
      throw new WalError('WAL_IO', `can't write to the store ${this.#dir}: ${messageOf(cause)}`, { cause });
    }
  }

  /** The database; after a failed write a new handle, which knows only what is on disk. */
  async #writable(): Promise<Database> {
    if (this.#state.at === 'closed') throw this.#closedError();
    if (this.#state.at === 'open') return this.#state.db;
    await this.#state.db.close();
    const db = await openDatabase(this.#dir);
    this.#state = { at: 'open', db };
    return db;
  }

  #readable(): Database {
    if (this.#state.at === 'closed') throw this.#closedError();
    const { db } = this.#state;
    if (db.status === 'open') return db;
    throw new WalError('WAL_IO', `the store ${this.#dir} could not be opened again after a failed write`);
  }

  #rows(prefix: string): AsyncIterable<[string, Buffer]> {
    return this.#readable().iterator({ ...keysBelow(prefix), highWaterMarkBytes: READ_AHEAD_BYTES });
  }

  #unsealed(key: string, value: Buffer): Buffer {
    const content = unseal(key, value);
    if (content) return content;
    throw new WalError('WAL_CORRUPT', `the store ${this.#dir} holds a damaged value under ${key}`);
  }

  #closedError(): WalError {
    return new WalError('WAL_CLOSED', `the store ${this.#dir} was closed`);
  }
}

async function openDatabase(dir: string): Promise<Database> {
  const made = await makeFolder(dir);
  const db: Database = new Level<string, Buffer>(dir, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    // Four times LevelDB's own: fewer and larger tables, in a store that only grows.
    writeBufferSize: 16_777_216,
    maxFileSize: 8_388_608,
    // LevelDB maps up to a thousand tables otherwise, and RSS follows the size of the store.
    maxOpenFiles: 100,
  });
  try {
    await db.open();
  } catch (error) {
    throw openError(dir, error);
  }
  try {
    await checkFormat(dir, db);
    // LevelDB fsyncs its files, but not the directory entries that lead to them.
    await syncFolder(dir);
    if (made) await syncFolder(dirname(dir));
    return db;
  } catch (error) {
    await db.close();
    throw error instanceof WalError ? error : openError(dir, error);
  }
}

/** @returns Whether there was none. */
async function makeFolder(dir: string): Promise<boolean> {
  try {
    await mkdir(dir, { mode: 0o700 });
    return true;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EEXIST') return false;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new WalError('WAL_CONFIG', `can't make the store ${dir}: its parent is not a folder`, { cause });
    }
    throw new WalError('WAL_IO', `can't make the store ${dir}: ${messageOf(cause)}`, { cause });
  }
}

function openError(dir: string, error: unknown): WalError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'LEVEL_LOCKED':
      return new WalError('WAL_LOCKED', `the store ${dir} is open already, here or in another process`, {
        cause,
      });
    case 'EEXIST':
    case 'ENOTDIR':
      return new WalError('WAL_CONFIG', `the store ${dir} is not a folder`, { cause });
    case 'LEVEL_CORRUPTION':
      return new WalError('WAL_CORRUPT', `the store ${dir} is damaged: ${messageOf(cause)}`, { cause });
    default:
      return new WalError('WAL_IO', `can't open the store ${dir}: ${messageOf(cause)}`, { cause });
  }
}

async function checkFormat(dir: string, db: Database): Promise<void> {
  const value = await db.get(keys.format);
  if (value === undefined) {
    if ((await db.keys({ limit: 1 }).all()).length > 0) {
      throw new WalError('WAL_CONFIG', `${dir} holds a database that is no store of a receiver`);
    }
    await db.put(keys.format, seal(keys.format, Buffer.from(String(FORMAT))), { sync: true });
    return;
  }
  const format = Number(unseal(keys.format, value));
  if (!(format >= 1)) throw new WalError('WAL_CORRUPT', `the store ${dir} does not say its format`);
  if (format > FORMAT) {
    throw new WalError(
      'WAL_FORMAT_TOO_NEW',
      `the store ${dir} has format ${format}, this version knows up to ${FORMAT}; update @nv/wal`,
    );
  }
}

async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
