// From a rejected write back to a log that can be written: a new handle, and, where the disk was full, room for
// it first, or, where the database is damaged, a repair. Until then the old handle is still good for reading.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { Handle } from './handle.js';
import type { Damage } from './recover.js';
import { damageOf } from './recover.js';
import type { Reserve } from './reserve.js';
import { canWrite, isDiskFull } from './reserve.js';
import type { Changes, Store } from './store.js';

export interface HealContext {
  readonly dir: string;
  readonly clock: Clock;
  readonly handle: Handle;
  readonly reserve: Reserve;
  readonly openStore: () => Promise<Store>;
  /** Called where the database is damaged, while nobody has it open, before it is opened again. Absent where nothing is to be repaired. */
  readonly repair?: (damage: Damage) => Promise<void>;
}

/** LevelDB's write buffer and what recovery may make of it, in bytes. */
const REOPEN_BYTES = 8 * 1_048_576;
const REOPEN_BYTES_MAX = 16 * 1_048_576;
/** What a disk must take that was not full: one that is mounted read-only, or gone, does not take that either. */
const PROBE_BYTES = 4096;
/** Waits between tries to reopen, in ms: doubled up to the most. */
const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 5_000;

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
  const { dir, clock, handle, reserve } = context;
  const needed = Math.min(REOPEN_BYTES_MAX, REOPEN_BYTES + 2 * bytesOf(changes));
  let full = isDiskFull(error);
  let damage = context.repair && damageOf(error);
  for (let waitMs = RETRY_MS_FIRST; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
    try {
      if (full) await reserve.release();
      // Not before: on a full disk the database can't be reopened, and without a handle nothing could be read or shipped.
      if (await canWrite(dir, full ? needed : PROBE_BYTES)) {
        await handle.replace(() => reopen(context, damage));
        return await areThere(handle, changes);
      }
    } catch (reopenError) {
      full ||= isDiskFull(reopenError);
      damage ??= context.repair && damageOf(reopenError);
    }
    giveUp();
    if (!signal.aborted) await clock.sleep(waitMs, signal);
    if (signal.aborted) {
      throw new WalError('WAL_IO', `the disk refused a commit: ${messageOf(error)}`, { cause: error });
    }
  }
}

async function reopen({ repair, openStore }: HealContext, damage: Damage | undefined): Promise<Store> {
  if (damage) await repair?.(damage);
  return await openStore();
}

/**
 * Whether a commit is on disk: it is there whole or not at all. All of it is looked for, because a part may have
 * been there before, unchanged.
 */
async function areThere(store: Store, changes: Changes): Promise<boolean> {
  for (const [key, value] of changes) {
    const there = await store.get(key);
    if (value === undefined ? there !== undefined : !there?.equals(value)) return false;
  }
  return true;
}

function bytesOf(changes: Changes): number {
  let bytes = 0;
  for (const [key, value] of changes) bytes += key.length + (value?.length ?? 0);
  return bytes;
}
