// The only file of the log that imports `level`. Knows keys and bytes, not what they mean.

import type { BatchOperation } from 'level';
import { Level } from 'level';
import { WalError, messageOf } from '../errors.js';
import { syncFolder } from './folder.js';
import { takeHere } from './here.js';
import type { KeyRange } from './keyspace.js';

/** What one commit changes: a value puts, `undefined` deletes. A key stands once. */
export type Changes = ReadonlyMap<string, Buffer | undefined>;

export interface ScanOptions {
  /** From the highest key down. @default false */
  reverse?: boolean;
  /** Rows at most. Integer >= 1. */
  limit: number;
  /** Stop after the row with which keys and values reach this many bytes. @default 1 MiB */
  bytesMax?: number;
  snapshot?: StoreSnapshot;
}

/** A frozen view. Pins everything that is deleted while it lives: close it soon. */
export interface StoreSnapshot {
  close(): Promise<void>;
}

export interface Store {
  /**
   * Resolves only after the fsync that covers every change; all of them are on disk then, or, where it
   * rejects, possibly all and possibly none. Never called concurrently. After a rejection the handle must
   * not be written to again: LevelDB may report success for what a later open will not find.
   */
  commit(changes: Changes): Promise<void>;
  /** @throws {WalError} As every read: `WAL_CLOSED`, `WAL_CORRUPT` where LevelDB itself sees damage, `WAL_IO`. */
  get(key: string, snapshot?: StoreSnapshot): Promise<Buffer | undefined>;
  /** Rows of a range in order. No iterator outlives the call: an open one pins all that is deleted meanwhile. */
  scan(range: KeyRange, options: ScanOptions): Promise<[key: string, value: Buffer][]>;
  /** Keys of a range in order. */
  scanKeys(range: KeyRange, limit: number): Promise<string[]>;
  /** Gives back what was deleted in a range. May run beside everything else. */
  compact(range: KeyRange): Promise<void>;
  snapshot(): StoreSnapshot;
  close(): Promise<void>;
}

/** Bytes of commits that LevelDB holds in memory and in one log file before it makes a table of them. */
const WRITE_BUFFER_BYTES = 1_048_576;
/** A write resolves after its fsync. */
const SYNC = { sync: true };
/**
 * Operations that go as a list. A chained batch costs a third for each, and suits what deletes by the thousand; but
 * its bytes are freed only once JavaScript's garbage is collected, which does not know of them: under load they were
 * 60 MiB of memory.
 */
const BATCH_OPERATIONS_MAX = 64;
/** Bytes of one table, about. */
const TABLE_BYTES_MAX = 1_048_576;
const SCAN_BYTES_MAX = 1_048_576;
/** Rows asked of LevelDB at once; the high water mark in bytes usually ends a chunk before. */
const SCAN_ROWS = 1000;
/** What an iterator may leave in memory when it is closed. */
const SCAN_BYTES_LEFT_MAX = 16_384;

/**
 * Opens the database in a folder; with `create`, makes it where there is none.
 *
 * @throws {WalError} `WAL_LOCKED`: open already, here or in another process. `WAL_IO`: anything else, with
 *   LevelDB's error as the cause.
 */
export async function openStore(dir: string, create: boolean): Promise<Store> {
  const giveBack = await takeHere(dir);
  if (!giveBack) throw new WalError('WAL_LOCKED', `${dir} is open in this process already`);
  const db = new Level<string, Buffer>(dir, {
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    createIfMissing: create,
    // Small groups are stored plain, and on disk they take less than half of that. What is deflated already stays as
    // it is: a block is packed only where that saves an eighth of it.
    compression: true,
    // LevelDB maps up to a thousand tables otherwise, and RSS follows the size of the log.
    maxOpenFiles: 50,
    // It keeps at least 64 of them mapped, whatever is asked for, and of 2 MiB each that is 128 MiB of RSS.
    maxFileSize: TABLE_BYTES_MAX,
    // What a compaction writes before it deletes what it has read grows with it, up to a dozen buffers where LevelDB
    // lags behind: with 2 MiB, a folder was 40 MiB over its budget of 64 for a moment, with LevelDB's 4 MiB more yet.
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  try {
    await db.open();
    // LevelDB does not make the renaming of CURRENT durable. Were it undone, so would be what the open has found in
    // the last log file without its having been synced, and by now somebody may have been told that it is there.
    await syncFolder(dir);
  } catch (error) {
    await db.close();
    giveBack();
    throw openError(dir, error);
  }
  return new LevelStore(db, giveBack);
}

/** Brings back what is left of a database that will not open, and more: see recover.ts. It must not be open. */
export async function repairStore(dir: string): Promise<void> {
  await (Level as typeof Level & Repairable).repair(dir);
}

/** Whether this process or another one has the database in a folder open. Changes nothing of it but LevelDB's diary. */
export async function isHeld(dir: string): Promise<boolean> {
  const giveBack = await takeHere(dir);
  if (!giveBack) return true;
  // LevelDB takes the lock, then refuses because a database is there, or because none is.
  const db = new Level(dir, { createIfMissing: false, errorIfExists: true });
  try {
    await db.open();
    await db.close();
    return false;
  } catch (error) {
    return openError(dir, error).code === 'WAL_LOCKED';
  } finally {
    giveBack();
  }
}

/** A table that was cut is an invalid argument: to mmap. */
const DAMAGE_PATTERN =
  /^(IO error|Invalid argument): .*: (No such file or directory|Is a directory|Invalid argument|does not exist \(create_if_missing is false\))$/s;

/**
 * Whether an error says that the database is damaged, as against one that it may not or can't be read now: no
 * permission, no handles left, a full disk or one that fails are none of the database's.
 */
export function isDamage(error: unknown): boolean {
  return causesOf(error).some((cause) => saysCorrupt(cause) || DAMAGE_PATTERN.test(cause.message));
}

/** Whether an error says that LevelDB has read something that it can't have written. */
export function isCorruption(error: unknown): boolean {
  return causesOf(error).some(saysCorrupt);
}

function saysCorrupt(error: Error): boolean {
  // Anchored: a path may say anything.
  return ('code' in error && error.code === 'LEVEL_CORRUPTION') || error.message.startsWith('Corruption: ');
}

function causesOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}

function openError(dir: string, error: unknown): WalError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const locked = cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
  return new WalError(locked ? 'WAL_LOCKED' : 'WAL_IO', `can't open ${dir}: ${messageOf(cause)}`, { cause });
}

/** What LevelDB says of a read, in this library's words. */
function readError(error: unknown): WalError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.endsWith('_NOT_OPEN')) return new WalError('WAL_CLOSED', 'the log is closed', { cause: error });
  return new WalError(
    code === 'LEVEL_CORRUPTION' ? 'WAL_CORRUPT' : 'WAL_IO',
    `the database can't be read: ${messageOf(error)}`,
    { cause: error },
  );
}

type Operation = BatchOperation<Level<string, Buffer> & Compactable, string, Buffer>;
type LevelSnapshot = ReturnType<Level<string, Buffer>['snapshot']>;

/** What classic-level adds on Node and level's types leave out, as it must also fit browsers. */
interface Compactable {
  compactRange(start: string, end: string): Promise<void>;
}

interface Repairable {
  repair(location: string): Promise<void>;
}

class LevelStore implements Store {
  readonly #db: Level<string, Buffer> & Compactable;
  readonly #onClosed: () => void;

  constructor(db: Level<string, Buffer>, onClosed: () => void) {
    this.#db = db as Level<string, Buffer> & Compactable;
    this.#onClosed = onClosed;
  }

  async commit(changes: Changes): Promise<void> {
    const [only] = changes;
    // What most commits are. A batch is built on JavaScript's thread: with one producer, it takes a tenth longer.
    if (changes.size === 1 && only?.[1]) return await this.#db.put(only[0], only[1], SYNC);
    if (changes.size <= BATCH_OPERATIONS_MAX) {
      const operations = Array.from(changes, ([key, value]): Operation =>
        value === undefined ? { type: 'del', key } : { type: 'put', key, value },
      );
      return await this.#db.batch(operations, SYNC);
    }
    const batch = this.#db.batch();
    for (const [key, value] of changes) {
      if (value === undefined) batch.del(key);
      else batch.put(key, value);
    }
    await batch.write(SYNC);
  }

  async get(key: string, snapshot?: StoreSnapshot): Promise<Buffer | undefined> {
    try {
      return await this.#db.get(key, { ...(snapshot && { snapshot: snapshot as LevelSnapshot }) });
    } catch (error) {
      throw readError(error);
    }
  }

  async scan(range: KeyRange, options: ScanOptions): Promise<[string, Buffer][]> {
    const { limit, reverse = false, bytesMax = SCAN_BYTES_MAX, snapshot } = options;
    // The row above the limit is never read: asking for it is what empties the iterator in the end.
    const given = { ...range, limit: limit + 1, reverse, highWaterMarkBytes: bytesMax };
    try {
      await using iterator = this.#db.iterator({
        ...given,
        ...(snapshot && { snapshot: snapshot as LevelSnapshot }),
      });
      const rows: [string, Buffer][] = [];
      let bytes = 0;
      while (bytes < bytesMax && rows.length < limit) {
        const chunk = await iterator.nextv(Math.min(SCAN_ROWS, limit - rows.length));
        if (chunk.length === 0) break;
        for (const row of chunk) {
          rows.push(row);
          bytes += row[0].length + row[1].length;
        }
      }
      // A closed iterator keeps a copy of its last chunk until it is collected as garbage, and JavaScript's collector
      // does not know of it: while records were delivered, memory grew by all that was read. Reading on at the end,
      // where nothing is, empties it.
      if (bytes > SCAN_BYTES_LEFT_MAX) {
        iterator.seek(range.lt);
        await iterator.nextv(1);
      }
      return rows;
    } catch (error) {
      throw readError(error);
    }
  }

  async scanKeys(range: KeyRange, limit: number): Promise<string[]> {
    try {
      await using iterator = this.#db.keys({ ...range, limit });
      return await iterator.all();
    } catch (error) {
      throw readError(error);
    }
  }

  async compact(range: KeyRange): Promise<void> {
    try {
      await this.#db.compactRange(range.gte, range.lt);
    } catch (error) {
      throw readError(error);
    }
  }

  snapshot(): StoreSnapshot {
    try {
      return this.#db.snapshot();
    } catch (error) {
      throw readError(error);
    }
  }

  async close(): Promise<void> {
    await this.#db.close();
    this.#onClosed();
  }
}
