// A small disk of a test's own: a tmpfs, which only root may mount. Gone afterwards.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MIB = 1_048_576;

/** Why no disk can be mounted here; `undefined` where one can. */
export const cannotMount = ((): string | undefined => {
  if (process.platform !== 'linux') return 'needs Linux, to mount a small tmpfs';
  if (process.getuid?.() !== 0) return 'needs root, to mount a small tmpfs';
  const dir = mkdtempSync(join(tmpdir(), 'nv-wal-'));
  try {
    mount(dir, 1);
    unmount(dir);
    return undefined;
  } catch {
    return 'needs to be allowed to mount a small tmpfs';
  } finally {
    rmSync(dir, { recursive: true });
  }
})();

export interface SmallDisk {
  readonly dir: string;
  /** Fills it up, but for so many bytes. May be called again, to leave more or less. */
  leave: (bytes: number) => Promise<void>;
  freeBytes: () => Promise<number>;
}

export async function withDisk(mib: number, use: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'nv-wal-'));
  mount(dir, mib);
  try {
    const filler = join(dir, 'filler');
    const freeBytes = async () => {
      const { bavail, bsize } = await statfs(dir);
      return bavail * bsize;
    };
    const leave = async (bytes: number) => {
      const file = await open(filler, 'a');
      try {
        const { size } = await file.stat();
        const wanted = size + (await freeBytes()) - bytes;
        if (wanted < size) return await file.truncate(Math.max(0, wanted));
        await write(file, wanted - size);
      } finally {
        await file.close();
      }
    };
    await use({ dir, leave, freeBytes });
  } finally {
    unmount(dir);
    await rm(dir, { recursive: true });
  }
}

/** So many bytes, or as many as the disk still takes: the log may be faster. */
async function write(file: FileHandle, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(MIB);
  try {
    for (let left = bytes; left > 0;) {
      const { bytesWritten } = await file.write(chunk, 0, Math.min(left, MIB));
      left -= bytesWritten;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function mount(dir: string, mib: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=0700`, 'nv-wal-test', dir], {
    stdio: 'pipe',
  });
}

/** Lazily: what a failing test left open must not keep the disk. */
function unmount(dir: string): void {
  execFileSync('umount', ['-l', dir], { stdio: 'pipe' });
}
