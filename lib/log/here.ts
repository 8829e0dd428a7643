// Which databases this process has open. LevelDB knows that, too, but asking it costs the lock: its second open
// of a folder opens and closes LOCK, and POSIX drops a process's lock on a file when it closes any handle of
// it. Another process could then open the same database beside this one.

import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** One for all copies of this library in a process. Worker threads have globals of their own: they are not covered. */
const OPEN = Symbol.for('@nv/wal/open-databases');

function openHere(): Set<string> {
  return ((globalThis as { [OPEN]?: Set<string> })[OPEN] ??= new Set());
}

/** Takes a database for this process; returns how to give it back, or `undefined` where it is taken already. */
export async function takeHere(database: string): Promise<(() => void) | undefined> {
  const path = await realPathOf(database);
  const open = openHere();
  if (open.has(path)) return undefined;
  open.add(path);
  return () => void open.delete(path);
}

export async function isTakenHere(database: string): Promise<boolean> {
  return openHere().has(await realPathOf(database));
}

/** One path for a folder, however it is reached, also before it is there. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    // Not there yet; what it is in may be.
  }
  try {
    return join(await realpath(dirname(path)), basename(path));
  } catch {
    return resolve(path);
  }
}
