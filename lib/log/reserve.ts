// A file that holds disk space back, to be given up when the disk is full: LevelDB can't even be reopened on a
// full disk, because recovery writes a table. Real, incompressible bytes: a sparse file would hold nothing.

import { randomFillSync } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { syncFolder } from './folder.js';

const CHUNK_BYTES = 1_048_576;
/** What is left of it when it is given up: whoever makes room needs a little first, and LevelDB takes all there is. */
const LAST_BYTES = 262_144;
/** What healing takes of it while commits are not at their largest: held back also where that is more than half of the room. */
const HEAL_BYTES = 8 * 1_048_576;

/** What a disk says that has no room: ENOSPC, or a quota. LevelDB passes on the text, not the code. */
export function isDiskFull(error: unknown): boolean {
  return /no space left on device|disk quota exceeded|ENOSPC|EDQUOT/i.test(messageOf(error));
}

export class Reserve {
  readonly #dir: string;
  readonly #path: string;
  readonly bytes: number;

  constructor(dir: string, bytes: number) {
    this.#dir = dir;
    this.#path = join(dir, 'reserve');
    this.bytes = bytes;
  }

  /** Whether all of it is there. */
  async isThere(): Promise<boolean> {
    return (await this.#size()) >= this.bytes;
  }

  /** Makes it, or the rest of it, where it is not there; false where the disk has no room for it. */
  async make(signal?: AbortSignal): Promise<boolean> {
    if (await this.isThere()) return true;
    // Not the last bytes of the disk: what the log appends meanwhile needs some, too.
    if ((await this.room()) < this.bytes * 1.25) return false;
    return await this.#grow(this.bytes, signal);
  }

  /**
   * Where the disk has no room for all of it: makes what half of the room is enough for, or three quarters where
   * half would not heal. A disk that becomes full with less stays so.
   */
  async makeSome(signal: AbortSignal): Promise<void> {
    const room = await this.room();
    const bytes = Math.floor(Math.max(room / 2, Math.min((room * 3) / 4, HEAL_BYTES)));
    if (bytes > LAST_BYTES) await this.#grow(bytes, signal);
  }

  /** Bytes of the disk that are free, or held back here. */
  async room(): Promise<number> {
    return (await freeBytes(this.#dir)) + (await this.#size());
  }

  /**
   * Adds what is missing of so many bytes; false where not all of it can be. What was there stays, also meanwhile:
   * the log takes what is free at any moment, and a disk that becomes full without a reserve stays so.
   */
  async #grow(bytes: number, signal?: AbortSignal): Promise<boolean> {
    try {
      await fill(this.#path, bytes, signal);
      // It may have been given up while it grew.
      return (await this.#size()) >= bytes;
    } catch {
      return false;
    }
  }

  async #size(): Promise<number> {
    try {
      return (await stat(this.#path)).size;
    } catch {
      return 0;
    }
  }

  /** Gives it up, durably, but for the last of it; false where there is no more than that. */
  async release(): Promise<boolean> {
    if ((await this.#size()) <= LAST_BYTES) return false;
    const file = await open(this.#path, 'r+');
    try {
      await file.truncate(LAST_BYTES);
      await file.sync();
    } finally {
      await file.close();
    }
    return true;
  }

  /** Gives the last of it up, for what comes first on a disk that is full again. */
  async releaseLast(): Promise<void> {
    await rm(this.#path, { force: true });
    await syncFolder(this.#dir);
  }
}

/** Whether so many bytes can be written and synced in a folder now: what `statfs` says may be promised to others. */
export async function canWrite(dir: string, bytes: number): Promise<boolean> {
  if ((await freeBytes(dir)) < bytes) return false;
  const probe = join(dir, 'probe');
  try {
    await rm(probe, { force: true });
    await fill(probe, bytes);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { force: true });
  }
}

/** Appends random bytes to a file until it has so many, and syncs it. */
async function fill(path: string, bytes: number, signal?: AbortSignal): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    let { size } = await file.stat();
    const chunk = Buffer.allocUnsafe(Math.max(0, Math.min(bytes - size, CHUNK_BYTES)));
    while (size < bytes) {
      signal?.throwIfAborted();
      randomFillSync(chunk);
      size += (await file.write(chunk, 0, Math.min(chunk.length, bytes - size))).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Bytes that this process may use of the disk that a folder is on. */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
