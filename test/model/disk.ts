// A disk that refuses commits when it is told to, in both ways in which LevelDB leaves a refused one: written or not.
// Stands between LevelDB's bindings and whoever writes, so that the log under test knows nothing of it. A disk that
// is really full, on a file system of its own, is test/crash/full-disk.test.ts.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';

/** How a commit ends that is refused: LevelDB says no more than that it may be there or not. */
export type Refusal = { with: 'full' | 'error'; isThere: boolean };

const MESSAGES = {
  full: 'IO error: 000001.log: No space left on device',
  error: 'IO error: 000001.log: Input/output error',
} as const;

interface Written {
  write: (options?: object) => Promise<void>;
}

export class Disk {
  #refusals: Refusal[] = [];
  #isSound = true;

  /** Takes its place under every database of this process. */
  static async make(): Promise<Disk> {
    const disk = new Disk();
    const folder = await mkdtemp(join(tmpdir(), 'nv-wal-disk-'));
    const db = new Level(folder);
    try {
      await db.open();
      const batch = db.batch();
      const prototype = Object.getPrototypeOf(batch) as Written;
      const write = prototype.write;
      prototype.write = async function (this: Written, options) {
        const refusal = disk.#refusals.shift();
        if (!refusal || refusal.isThere) await write.call(this, options);
        if (refusal) throw Object.assign(new Error(MESSAGES[refusal.with]), { code: 'LEVEL_IO_ERROR' });
      };
      await batch.close();
    } finally {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    }
    return disk;
  }

  /** The next commits are refused, one after the other. */
  refuse(...refusals: Refusal[]): void {
    this.#refusals.push(...refusals);
    this.#isSound = false;
  }

  /** Whether nothing was refused, nor is to be, since all was well. */
  get isSound(): boolean {
    return this.#isSound;
  }

  /** The log has written all that was refused: unless more is to come, all is well. */
  settled(): void {
    this.#isSound = this.#refusals.length === 0;
  }

  /** Whatever was to come is not. */
  relent(): void {
    this.#refusals = [];
  }
}
