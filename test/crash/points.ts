// The named points at which a service is killed: the system calls around every change of the disk, each by the
// file that it is about, and the edges that only the service itself can see. And what it lives through before.

import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { logFolder } from '../../lib/log/folder.js';
import type { Death } from './points-orders.js';
import { DEATHS, LAB_OPTIONS } from './points-orders.js';

/** Where and how one service ends. */
export interface Point {
  readonly name: string;
  /** The kill comes at the nth time, drawn from 1 up to here. */
  readonly nthMax: number;
  readonly kill: { readonly at: Death } | SystemCall;
  /** The nth sync of the database's log file fails as on a full disk, n drawn from 1 up to here. */
  readonly fullAtMax?: number;
  /** Done to the log's folder first. */
  readonly damage?: (dir: string) => Promise<void>;
}

/** Entering a system call on one of these files: all that was called before has happened, this has not. */
interface SystemCall {
  readonly call: string;
  readonly files: (dir: string, next: number) => string[];
}

/** Names that LevelDB may give to files in one run. */
const NUMBERS = 250;

function numbered(name: (number: string) => string): SystemCall['files'] {
  return (dir, next) =>
    Array.from({ length: NUMBERS }, (_, n) => join(dir, 'db', name(String(next + n).padStart(6, '0'))));
}

const logs = numbered((number) => `${number}.log`);
const tables = numbered((number) => `${number}.ldb`);
const manifests = numbered((number) => `MANIFEST-${number}`);
const temporaries = numbered((number) => `${number}.dbtmp`);

function named(...names: string[]): SystemCall['files'] {
  return (dir) => names.map((name) => join(dir, name));
}

function at(name: string, call: string, files: SystemCall['files'], nthMax: number): Point {
  return { name, nthMax, kill: { call, files } };
}

/** The disk is full for one commit: the log gives its reserve up, opens its database again, and makes room. */
function whenFull(name: string, call: string, files: SystemCall['files'], nthMax: number): Point {
  return { ...at(`full disk: ${name}`, call, files, nthMax), fullAtMax: 4 };
}

/** A database that will not open, although nothing of it is lost: it is repaired. */
function whenRepaired(name: string, call: string, files: SystemCall['files'], nthMax: number): Point {
  return { ...at(`repair: ${name}`, call, files, nthMax), damage: loseCurrent };
}

export async function loseCurrent(dir: string): Promise<void> {
  // Where the life before ended early, there is none yet.
  await rm(join(dir, 'db', 'CURRENT'), { force: true });
}

const renames = 'rename,renameat,renameat2';
const unlinks = 'unlink,unlinkat';

const SYSTEM_CALLS: readonly Point[] = [
  at('the folder: before it is made', 'mkdir', named('', 'db'), 1),
  at('the folder: before its entry is synced', 'fsync', named('..', '.', 'db'), 2),
  at('commit: before the write', 'write', logs, 20),
  at('commit: before the sync', 'fdatasync', logs, 20),
  at('commit: synced, before anybody is told', 'write', () => ['anon_inode:[eventfd]'], 60),
  at('a new log file: before it is made', 'openat', logs, 6),
  at('a table: before it is made', 'openat', tables, 6),
  at('a table: before a write', 'write', tables, 10),
  at('a table: before the sync', 'fdatasync', tables, 5),
  at('the manifest: before a write', 'write', manifests, 8),
  at('the manifest: before the sync', 'fdatasync', manifests, 6),
  at('the manifest: before CURRENT is written', 'write', temporaries, 1),
  at('the manifest: before CURRENT is renamed', renames, temporaries, 1),
  at('compaction: before a log file is deleted', unlinks, logs, 4),
  at('compaction: before a table is deleted', unlinks, tables, 6),
  at('the manifest: before the old one is deleted', unlinks, manifests, 1),
  at('the mark: before it is made', 'openat', named('mark'), 2),
  at('the mark: before a write', 'pwrite64', named('mark'), 4),
  at('the owner: before it is written', 'write', named('owner.json.new'), 1),
  at('the owner: before it is renamed', renames, named('owner.json.new'), 1),
  at('the owner: before it is deleted', unlinks, named('owner.json'), 1),
  at('the reserve: before it is made', 'openat', named('reserve'), 1),
  at('the reserve: before it is written', 'write', named('reserve'), 1),
  at('the reserve: before it is synced', 'fsync', named('reserve'), 1),
  whenFull('before the reserve is deleted', unlinks, named('reserve'), 1),
  whenFull('before the probe is written', 'write', named('probe'), 4),
  whenFull('before the probe is deleted', unlinks, named('probe'), 1),
  whenFull('before the manifest of the new handle', 'write', manifests, 3),
  whenFull('before the reserve is made again', 'openat', named('reserve'), 2),
  whenFull('before the reserve is synced again', 'fsync', named('reserve'), 2),
  whenRepaired('before the copy has a file', 'link,linkat', allIn('db'), 4),
  whenRepaired('before a table is written', 'write', tables, 4),
  whenRepaired('before a table is synced', 'fdatasync', tables, 4),
  whenRepaired('before a manifest is written', 'write', manifests, 3),
  whenRepaired('before the manifest has its name', renames, temporaries, 2),
  whenRepaired('before CURRENT is synced', 'fdatasync', temporaries, 2),
  whenRepaired('before a commit is written', 'write', logs, 4),
  whenRepaired('before a commit is synced', 'fdatasync', logs, 4),
  whenRepaired('before a table is deleted', unlinks, tables, 4),
  // Strace looks at where a file comes from, not at where it goes.
  whenRepaired('before a file is moved out', renames, allIn('db.repair'), 1),
];

/** The files that LevelDB may have in a folder of the log, and the folder. */
function allIn(folder: string): SystemCall['files'] {
  return (dir) => [
    join(dir, folder),
    ...['log', 'ldb'].flatMap((type) =>
      Array.from({ length: 400 }, (_, n) => join(dir, folder, `${String(n).padStart(6, '0')}.${type}`)),
    ),
  ];
}

/** What comes once in a life, or hardly more often. */
const ONCE: ReadonlySet<Death> = new Set([
  'before the first append',
  'records were evicted',
  'the disk is full',
  'a rejected write has healed',
  'closing',
  'closed',
]);

const DEATH_POINTS: readonly Point[] = DEATHS.map((death) => ({
  name: `service: ${death}`,
  nthMax: death.startsWith('an append') ? 60 : ONCE.has(death) ? 1 : 8,
  kill: { at: death },
  ...(['the disk is full', 'a rejected write has healed'].includes(death) && { fullAtMax: 20 }),
}));

export const POINTS: readonly Point[] = [...SYSTEM_CALLS, ...DEATH_POINTS];

/** Where a service's log will be. */
export function labFolder(varDir: string): string {
  return logFolder(varDir, LAB_OPTIONS.service, 'main');
}

/** What strace is to do at a point, for a log that is there or not; `undefined` where it has nothing to do. */
export async function straceOptions(
  point: Point,
  varDir: string,
  nth: number,
  fullAt: number,
): Promise<string[] | undefined> {
  const dir = labFolder(varDir);
  const next = await nextNumber(dir);
  const options: string[] = [];
  const calls: string[] = [];
  const files: string[] = [];
  if ('call' in point.kill) {
    const { call } = point.kill;
    calls.push(call);
    files.push(...point.kill.files(dir, next));
    options.push('-e', `inject=${call}:signal=KILL:when=${nth}`);
  }
  if (point.fullAtMax !== undefined) {
    calls.push('fdatasync');
    files.push(...logs(dir, next));
    options.push('-e', `inject=fdatasync:error=ENOSPC:when=${fullAt}`);
  }
  if (calls.length === 0) return undefined;
  const paths = [...new Set(files)].flatMap((file) => ['-P', file]);
  // Not with --seccomp-bpf: strace then lets the calls through that it is to kill at.
  return ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls.join()}`, ...options, ...paths];
}

/** The first number that LevelDB can still give to a file. */
async function nextNumber(dir: string): Promise<number> {
  await mkdir(dir, { recursive: true });
  let last = 0;
  for (const name of await readdir(join(dir, 'db')).catch(() => [])) {
    last = Math.max(last, Number(/\d+/.exec(name)?.[0] ?? 0));
  }
  return Math.max(1, last - 30);
}
