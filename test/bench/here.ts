// Which contenders are on this machine: those with code of their own have to be built or fetched for it, and the one
// that is not is left out, with the reason.

import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.js';
import type { Absent } from './run.js';

const BUILD_MS_MAX = 600_000;
const BUILDING = 'npm explore better-sqlite3 -- npm run install';

/** Looks for them; where `builds`, one that is not built yet is built first, which may take minutes. */
export async function lookForContenders(builds: boolean): Promise<Absent> {
  const absent: Record<string, string> = {};
  const lmdb = await reasonOf(async () => void (await import('lmdb')));
  if (lmdb !== undefined) absent['lmdb'] = lmdb;
  let sqlite = await reasonOf(openSqlite);
  if (sqlite !== undefined && builds) sqlite = await reasonOf(buildSqlite);
  if (sqlite !== undefined) absent['better-sqlite3'] = builds ? sqlite : `not built (${BUILDING})`;
  return absent;
}

async function openSqlite(): Promise<void> {
  const { default: Database } = await import('better-sqlite3');
  new Database(':memory:').close();
}

/**
 * Its package is not built as it is installed (`allowScripts`), and `npm rebuild` keeps to that: only a benchmark
 * needs it. So its own script is asked for by name.
 */
async function buildSqlite(): Promise<void> {
  process.stderr.write(`better-sqlite3 is not built yet: ${BUILDING}; this may take minutes …\n`);
  const cwd = dirname(fileURLToPath(import.meta.resolve('better-sqlite3/package.json')));
  await promisify(execFile)('npm', ['run', 'install'], {
    cwd,
    timeout: BUILD_MS_MAX,
    maxBuffer: 64 * 1_048_576,
  });
  // Asked for in a process of its own: in this one, the failure is remembered.
  const script = "new (require('better-sqlite3'))(':memory:').close()";
  await promisify(execFile)(process.execPath, ['-e', script], { cwd });
}

async function reasonOf(attempt: () => Promise<void>): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    return messageOf(error).trim().split('\n').at(-1)!.slice(0, 200);
  }
}
