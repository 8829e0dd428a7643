// From a rejected write back to a log that can be written: a new handle, and, where the disk was full, room for
// it first, or, where the database is damaged, a repair. Until then the old handle is still good for reading.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import { databaseFolder } from './folder.js';
import type { Handle } from './handle.js';
import type { DeadRange } from './leveldb/room.js';
import { makeRoom, measureRoom } from './leveldb/room.js';
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
  /** How to change files of the database while nobody has it open; `undefined` where somebody else may. */
  readonly exclusive: () => Promise<Exclusive | undefined>;
  /** Keys of which none is wanted any more. */
  readonly dead: () => readonly DeadRange[];
  /** Called where the database is damaged, while nobody has it open, before it is opened again. Absent where nothing is to be repaired. */
  readonly repair?: (damage: Damage) => Promise<void>;
}

type Exclusive = (change: (database: string) => Promise<void>) => Promise<void>;

/** What reopening needs beside what it makes of the logs, in bytes: a MANIFEST, a new log. */
const REOPEN_BYTES = 1_048_576;
/** What the first commits need, in bytes: those that give records up. */
const FIRST_COMMITS_BYTES = 1_048_576;
/** What a table takes of what was in a log: its keys, an index and a filter come on top. */
const TABLE_SHARE = 1.25;
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
  let full = isDiskFull(error);
  let damage = context.repair && damageOf(error);
  for (let waitMs = RETRY_MS_FIRST; ; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
    try {
      if (full) await reserve.release();
      const exclusive = full ? await context.exclusive() : undefined;
      // Not before: on a full disk the database can't be reopened, and without a handle nothing could be read or shipped.
      if (full ? await hasRoom(context, exclusive, changes) : await canWrite(dir, PROBE_BYTES)) {
        await handle.replace(() => reopen(context, exclusive, damage));
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

/**
 * Whether the disk has room to reopen, and to write a commit once more. What compactions have not given back yet,
 * or what the full disk broke off of them, is as good as room.
 */
async function hasRoom(
  { dir, dead }: HealContext,
  exclusive: Exclusive | undefined,
  changes: Changes,
): Promise<boolean> {
  const { freeable, logBytes } = await measureRoom(databaseFolder(dir), dead());
  const reopening = REOPEN_BYTES + logBytes * TABLE_SHARE;
  // Once it is open, the logs are gone: their room is for the commits.
  const writing = Math.max(0, FIRST_COMMITS_BYTES + 2 * bytesOf(changes) - logBytes);
  const needed = reopening + writing - (exclusive ? freeable : 0);
  return needed <= 0 || (await canWrite(dir, Math.ceil(needed)));
}

/** While nobody has the database open. */
async function reopen(
  { repair, dead, openStore }: HealContext,
  exclusive: Exclusive | undefined,
  damage: Damage | undefined,
): Promise<Store> {
  await exclusive?.((database) => makeRoom(database, dead()));
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
