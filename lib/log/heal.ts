// From a rejected write back to a log that can be written: a new handle, and, where the disk was full, room for
// it first. Until then the old handle is still good for reading.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { Handle } from './handle.js';
import type { Reserve } from './reserve.js';
import { canWrite } from './reserve.js';
import type { Changes, Store } from './store.js';

export interface HealContext {
  readonly dir: string;
  readonly clock: Clock;
  readonly handle: Handle;
  readonly reserve: Reserve;
  readonly openStore: () => Promise<Store>;
}

/** LevelDB's write buffer and what recovery may make of it, in bytes. */
const REOPEN_BYTES = 8 * 1_048_576;
const REOPEN_BYTES_MAX = 16 * 1_048_576;
/** Waits between tries to reopen, in ms: doubled up to the most. */
const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 5_000;

/** What a disk says that has no room: ENOSPC, or a quota. LevelDB passes on the text, not the code. */
export function isDiskFull(error: unknown): boolean {
  return /no space left on device|disk quota exceeded|ENOSPC|EDQUOT/i.test(messageOf(error));
}

/**
 * Replaces the handle, however long that takes; resolves with whether the failed commit's changes are there.
 * Calls `giveUp` when it does not work at once. Rejects when the signal fires.
 */
export async function heal(
  context: HealContext,
  changes: Changes,
  error: Error,
  giveUp: () => void,
  signal: AbortSignal,
): Promise<boolean> {
  const { dir, clock, handle, reserve, openStore } = context;
  const needed = Math.min(REOPEN_BYTES_MAX, REOPEN_BYTES + 2 * bytesOf(changes));
  let full = isDiskFull(error);
  for (let waitMs = RETRY_MS_FIRST; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
    try {
      if (full) await reserve.release();
      // On a full disk the database can't be reopened, and without a handle nothing could be read or shipped.
      if (!full || (await canWrite(dir, needed))) {
        await handle.replace(openStore);
        return await areThere(handle, changes);
      }
    } catch (reopenError) {
      full ||= isDiskFull(reopenError);
    }
    giveUp();
    if (!signal.aborted) await clock.sleep(waitMs, signal);
    if (signal.aborted) {
      throw new WalError('WAL_IO', `the disk refused a commit: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Whether a commit is on disk. It is there whole or not at all, and every commit puts something. */
async function areThere(store: Store, changes: Changes): Promise<boolean> {
  for (const [key, value] of changes) {
    if (value) return (await store.get(key))?.equals(value) ?? false;
  }
  return false;
}

function bytesOf(changes: Changes): number {
  let bytes = 0;
  for (const [key, value] of changes) bytes += key.length + (value?.length ?? 0);
  return bytes;
}
