// The logs beside a log: those of other instances of its service. Looks at folders and files, never into a
// database: that would take its lock.

import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isInstanceName } from '../config.js';
import { hasDatabase } from '../log/recover.js';
import { isRemoved } from './removal.js';

export interface Sibling {
  readonly instance: string;
  readonly dir: string;
  /** Whether its folder belongs to the user that this process runs as. */
  readonly isOurs: boolean;
}

export interface Siblings {
  readonly logs: readonly Sibling[];
  /** Folders of removed logs that a crash has left. */
  readonly remains: readonly string[];
}

/** Folders looked at. */
const SIBLINGS_MAX = 1024;

/** What is beside the log in a folder. */
export async function findSiblings(dir: string): Promise<Siblings> {
  const parent = dirname(dir);
  const logs: Sibling[] = [];
  const remains: string[] = [];
  const entries = await readdir(parent, { withFileTypes: true });
  for (const entry of entries.slice(0, SIBLINGS_MAX)) {
    const path = join(parent, entry.name);
    // No symbolic links: what they lead to is somebody else's.
    if (!entry.isDirectory() || path === dir) continue;
    if (isRemoved(entry.name)) {
      if (await isOurs(path)) remains.push(path);
    } else if (isInstanceName(entry.name)) {
      const ours = await isOurs(path);
      if (!ours || (await hasDatabase(path))) {
        logs.push({ instance: entry.name, dir: path, isOurs: ours });
      }
    }
  }
  return { logs, remains };
}

/** As long as this stays the same, nobody has opened, closed or written to the log in a folder. */
export async function signOfLife(dir: string): Promise<string> {
  const traces = [dir, join(dir, 'owner.json'), join(dir, 'mark')].map(traceOf);
  return (await Promise.all(traces)).join(' ');
}

/** Comes and goes with whoever opens a log, and says nothing of what is in it. */
const PASSING = /^((owner\.json|control\.sock)(\.new)?|db\.guard|probe|reserve|unclean)$/;

/** As long as this stays the same, nobody has changed what is in the log. */
export async function signOfChange(dir: string): Promise<string> {
  const names = (await readdir(dir)).filter((name) => !PASSING.test(name));
  return `${await traceOf(join(dir, 'mark'))} ${names.toSorted().join(' ')}`;
}

async function traceOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}:${size}:${mtimeNs}`;
  } catch {
    return '-';
  }
}

async function isOurs(path: string): Promise<boolean> {
  try {
    return (await stat(path)).uid === process.getuid?.();
  } catch {
    return false;
  }
}
