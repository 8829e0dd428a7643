// Copies of a database of an older format, beside it. Made while it is open, so that its lock is held all along;
// hard links, so that they need next to no room.

import { copyFile, link, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Clock } from '../clock.js';
import { WalError } from '../errors.js';
import { databaseFolder, syncFolder } from './folder.js';

/** Copies that are kept; the oldest go. They hold what was deleted since on the disk. */
const COPIES_MAX = 2;
/** Tries to copy while LevelDB rewrites its tables. */
const TRIES_MAX = 20;

const COPY_PATTERN = /^db\.format-(\d+)-(\d+)$/;

/**
 * Sets a copy of the open database aside, which nobody writes to meanwhile; returns its folder. `again` where a
 * migration was interrupted: then the copy that was made before it is the one to keep.
 */
export async function setAside(
  dir: string,
  format: number,
  { again, clock }: { again: boolean; clock: Clock },
): Promise<string> {
  const made = (await copiesIn(dir)).at(-1);
  if (again && made !== undefined) return join(dir, made);
  const path = join(dir, `db.format-${format}-${clock.now()}`);
  const database = databaseFolder(dir);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (!(await copy(database, `${path}.new`))) continue;
    await rename(`${path}.new`, path);
    await syncFolder(dir);
    return path;
  }
  throw new WalError('WAL_IO', `can't copy ${database}: it is rewritten all the time`);
}

/** Removes the oldest copies, and what is left of broken-off ones; never the one that was just made. */
export async function pruneCopies(dir: string, newest: string): Promise<void> {
  const copies = (await copiesIn(dir)).filter((name) => name !== basename(newest));
  const broken = (await readdir(dir)).filter((name) => /^db\.format-.*\.new$/.test(name));
  const surplus = copies.slice(0, Math.max(0, copies.length + 1 - COPIES_MAX));
  for (const name of [...broken, ...surplus]) await rm(join(dir, name), { recursive: true, force: true });
}

/** Oldest first. */
async function copiesIn(dir: string): Promise<string[]> {
  const copies = (await readdir(dir)).filter((name) => COPY_PATTERN.test(name));
  return copies.toSorted((a, b) => madeAt(a) - madeAt(b));
}

function madeAt(name: string): number {
  return Number(COPY_PATTERN.exec(name)?.[2]);
}

/**
 * Copies what an open database consists of. Tables never change once they are written, so a link will do; to its
 * log and manifest LevelDB goes on appending, so they are copied. LOCK is not touched: closing it drops the lock.
 *
 * @returns false where LevelDB compacted meanwhile: the copy is then of two states, and worth nothing.
 */
async function copy(database: string, to: string): Promise<boolean> {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { mode: 0o700 });
  const before = await manifestOf(database);
  try {
    for (const name of await readdir(database)) {
      if (/\.(ldb|sst)$/.test(name)) await link(join(database, name), join(to, name));
      else if (/^(CURRENT|MANIFEST-\d+|\d+\.log)$/.test(name)) {
        await copyFile(join(database, name), join(to, name));
        await syncFile(join(to, name));
      }
    }
  } catch (error) {
    // A table that was deleted between the two calls: compacted away.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    return false;
  }
  await syncFolder(to);
  return before.equals(await manifestOf(database)) && before.equals(await manifestOf(to));
}

/** Which tables a database consists of, as LevelDB writes it down: it deletes one only after it has said so here. */
async function manifestOf(database: string): Promise<Buffer> {
  const current = (await readFile(join(database, 'CURRENT'), 'utf8')).trim();
  return Buffer.concat([Buffer.from(`${current}\n`), await readFile(join(database, current))]);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
