// The folder of one log: $VAR_DIR/nv-wal/<service>/<instance>. Knows files and modes, not what is in `db/`.

import { constants } from 'node:fs';
import { access, mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WalError, messageOf } from '../errors.js';

const FOLDER_MODE = 0o700;

/** Who holds a log: for messages only. That somebody does is LevelDB's lock to say. */
export interface Owner {
  pid: number;
  /** Epoch ms. */
  started: number;
  writerId: string;
  /** The control socket, where it is not in the log's folder: its path would be too long. */
  socket?: string;
}

export function logFolder(varDir: string, service: string, instance: string): string {
  return join(varDir, 'nv-wal', service, instance);
}

export function databaseFolder(dir: string): string {
  return join(dir, 'db');
}

/**
 * Makes the log's folder below an existing `varDir`, and makes the making durable: LevelDB fsyncs its
 * files, but not the directory entries that lead to them.
 *
 * @throws {WalError} `WAL_CONFIG`: `varDir` is missing, not a folder or not writable. `WAL_IO`: anything else.
 */
export async function makeFolder(varDir: string, dir: string): Promise<void> {
  await checkVarDir(varDir);
  const made: string[] = [];
  for (const path of foldersBetween(varDir, dir)) {
    try {
      await mkdir(path, { mode: FOLDER_MODE });
      made.push(path);
    } catch (cause) {
      if (isCode(cause, 'EEXIST') && (await isFolder(path))) continue;
      throw new WalError('WAL_IO', `can't make the folder ${path}: ${messageOf(cause)}`, { cause });
    }
  }
  for (const path of made) await syncFolder(dirname(path));
}

async function checkVarDir(varDir: string): Promise<void> {
  let found;
  try {
    found = await stat(varDir);
    if (found.isDirectory()) await access(varDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const why = found ? 'is not writable' : 'does not exist (it is not made: it may be a volume not mounted)';
    throw new WalError('WAL_CONFIG', `varDir ${varDir} ${why}: ${messageOf(cause)}`, { cause });
  }
  if (!found.isDirectory()) throw new WalError('WAL_CONFIG', `varDir ${varDir} is not a folder`);
}

function foldersBetween(top: string, dir: string): string[] {
  const paths: string[] = [];
  for (let path = dir; path !== top && path !== dirname(path); path = dirname(path)) paths.unshift(path);
  return paths;
}

/** Whether a path is a folder; false also where nothing is there. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Whether a database's folder holds tables or log files, whatever else of it is missing. */
export async function holdsData(database: string): Promise<boolean> {
  return (await readdir(database)).some((name) => /^\d+\.(log|ldb|sst)$/.test(name));
}

/** Makes the entries of a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function writeOwner(dir: string, owner: Owner): Promise<void> {
  const path = join(dir, 'owner.json');
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(owner)}\n`);
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
}

export async function readOwner(dir: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(join(dir, 'owner.json'), 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

export async function removeOwner(dir: string): Promise<void> {
  await rm(join(dir, 'owner.json'), { force: true });
}

/** Bytes of all files below a folder. Files may come and go meanwhile. */
export async function diskBytes(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  const sizes = entries.map(async (entry) => {
    if (!entry.isFile()) return 0;
    try {
      return (await stat(join(entry.parentPath, entry.name))).size;
    } catch {
      return 0;
    }
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
