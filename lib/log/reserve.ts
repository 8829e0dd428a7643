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

  /** Makes it where it is not there; false where the disk has no room for it. */
  async make(signal?: AbortSignal): Promise<boolean> {
    if (await this.isThere()) return true;
    // Not the last bytes of the disk: what the log appends meanwhile needs some, too.
    const room = (await freeBytes(this.#dir)) + (await this.#size());
    if (room < this.bytes * 1.25) return false;
    return await writeBytes(this.#path, this.bytes, signal);
  }

  /**
   * Makes it, or where the disk has no room for it, what half of the room is enough for: a disk that becomes full
   * without any of it stays so. Whether all of it is there.
   */
  async makeSome(signal: AbortSignal): Promise<boolean> {
    if (await this.make(signal)) return true;
    const size = await this.#size();
    const bytes = Math.floor(((await freeBytes(this.#dir)) + size) / 2);
    if (bytes > Math.max(size, LAST_BYTES)) await writeBytes(this.#path, bytes, signal);
    return false;
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
  const probe = join(dir, 'probe');
  const proven = (await freeBytes(dir)) >= bytes && (await writeBytes(probe, bytes));
  await rm(probe, { force: true });
  return proven;
}

/** Writes and syncs a file of random bytes; takes it away again and says false where that can't be done whole. */
async function writeBytes(path: string, bytes: number, signal?: AbortSignal): Promise<boolean> {
  const chunk = Buffer.allocUnsafe(Math.min(bytes, CHUNK_BYTES));
  try {
    const file = await open(path, 'w', 0o600);
    try {
      for (let written = 0; written < bytes;) {
        signal?.throwIfAborted();
        randomFillSync(chunk);
        const result = await file.write(chunk, 0, Math.min(chunk.length, bytes - written));
        written += result.bytesWritten;
      }
      await file.sync();
      return true;
    } finally {
      await file.close();
    }
  } catch {
    await rm(path, { force: true });
    return false;
  }
}

/** Bytes that this process may use of the disk that a folder is on. */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}
