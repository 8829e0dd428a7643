// The guard: held by whoever works on a database that nobody may have open, its files or its name.

import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WalError } from '../errors.js';
import { databaseFolder } from './folder.js';
import { isDiskFull } from './reserve.js';
import type { Store } from './store.js';
import { isDamage, openStore } from './store.js';

/** Bytes that it holds back while it is held. */
const PADDING_BYTES = 65_536;
/** Tries to open it before what is there counts as left behind. */
const TRIES_MAX = 4;

/**
 * A lock of LevelDB's making, for who works on a database that nobody may have open; returns how to give it back.
 *
 * @throws {WalError} `WAL_LOCKED`: somebody holds it. `WAL_IO`.
 */
export async function holdGuard(dir: string): Promise<() => Promise<void>> {
  const guard = join(dir, 'db.guard');
  const held = await openGuard(dir, guard);
  // Holds a little room back for whoever comes after a crash on a full disk, and has to make the guard anew.
  await writeFile(join(guard, 'padding'), randomBytes(PADDING_BYTES)).catch(() => {});
  return async () => {
    // Still held: whoever comes next must not find it half gone, and what was to be done is done.
    await rm(guard, { recursive: true, force: true }).catch(() => {});
    await held.close();
  };
}

/**
 * What a power loss, or a full disk, left half of is worth nothing, and held by nobody: opening locks first. For a
 * full disk, LevelDB's diaries go with it, which nobody misses, wherever they are written.
 */
async function openGuard(dir: string, guard: string, tries = 1): Promise<Store> {
  try {
    return await openStore(guard, true);
  } catch (error) {
    if (error instanceof WalError && error.code === 'WAL_LOCKED') throw error;
    // Somebody may be giving it back at this moment: it goes while it is opened, and may be another's the next.
    if (tries < TRIES_MAX) return await openGuard(dir, guard, tries + 1);
    await rm(guard, { recursive: true, force: true });
    if (!isDamage(error) && !isDiskFull(error)) throw error;
  }
  for (const name of ['LOG', 'LOG.old']) await rm(join(databaseFolder(dir), name), { force: true });
  try {
    return await openStore(guard, true);
  } catch (error) {
    await rm(guard, { recursive: true, force: true });
    throw error;
  }
}
