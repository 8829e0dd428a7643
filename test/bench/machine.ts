// Where and of what a benchmark was run: without it, its figures mean nothing.

import { execFile } from 'node:child_process';
import { readFile, statfs } from 'node:fs/promises';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './build.js';

export interface Machine {
  os: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
  /** Of the folder that was written to. */
  fileSystem: string;
  node: string;
  /** Versions of this package and of what does its work. */
  versions: Record<string, string>;
  /** The commit, and whether files differ from it; absent outside a repository. */
  commit?: string;
  at: string;
}

/** Of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x2fc12fc1: 'zfs',
  0x794c7630: 'overlay',
  0x6969: 'nfs',
  0x01021994: 'tmpfs',
  0x858458f6: 'ramfs',
};
const IN_MEMORY = ['tmpfs', 'ramfs'];
const PACKAGES = ['level', 'classic-level', 'undici', 'msgpackr', 'better-sqlite3', 'lmdb'];

export async function describeMachine(dir: string): Promise<Machine> {
  const commit = await describeCommit();
  return {
    os: `${type()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    fileSystem: await fileSystemOf(dir),
    node: process.version,
    versions: await versionsOf(PACKAGES),
    ...(commit !== undefined && { commit }),
    at: new Date().toISOString(),
  };
}

/** Whether a folder is in memory, where an fsync means nothing. */
export async function isInMemory(dir: string): Promise<boolean> {
  return IN_MEMORY.includes(await fileSystemOf(dir));
}

async function fileSystemOf(dir: string): Promise<string> {
  const { type: magic } = await statfs(dir);
  return FILE_SYSTEMS[magic] ?? `0x${magic.toString(16)}`;
}

async function versionsOf(packages: readonly string[]): Promise<Record<string, string>> {
  const folders = [ROOT, ...packages.map((name) => join(ROOT, 'node_modules', name))];
  const manifests = await Promise.all(
    folders.map(async (folder) => {
      const text = await readFile(join(folder, 'package.json'), 'utf8');
      return JSON.parse(text) as { name: string; version: string };
    }),
  );
  return Object.fromEntries(manifests.map(({ name, version }) => [name, version]));
}

async function describeCommit(): Promise<string | undefined> {
  try {
    const commit = await git('rev-parse', '--short=12', 'HEAD');
    return (await git('status', '--porcelain')) === '' ? commit : `${commit} with changes`;
  } catch {
    return undefined;
  }
}

async function git(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', args, { cwd: ROOT });
  return stdout.trim();
}
