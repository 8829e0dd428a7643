// A PostgreSQL server of a test's own: Debian's binaries, a database in a temporary folder, a free loopback port and
// a Unix socket, fsync on. It refuses to run as root, so root starts it as the user that Debian made for it.

import { execFile, execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

export const PASSWORD = 'hunter2-of-the-tests';
const DEBIAN = '/usr/lib/postgresql';
const READY_TRIES = 1200;

export interface PostgresServer {
  /** Over TCP, with the password. */
  readonly url: string;
  /** Over TCP, without. */
  readonly urlWithoutPassword: string;
  /** An empty database of its own. */
  database(name: string): Promise<string>;
  /** Ends it as a crash would, and starts it again on what it left. */
  crash(): Promise<void>;
  start(): Promise<void>;
  pid(): number;
  /** Ends it in peace, and removes its folder. */
  stop(): Promise<void>;
}

/** Where the server's binaries are, or `undefined`. */
function binaries(): string | undefined {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [...debian.map((version) => join(DEBIAN, version, 'bin')), '/usr/local/bin', '/usr/bin'];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** Why there can be no server here, or `false`. */
export const postgresMissing: string | false =
  binaries() === undefined
    ? 'needs PostgreSQL (Debian: postgresql)'
    : process.getuid?.() === 0 && userOf() === undefined && 'needs a user "postgres" to run PostgreSQL as';

/** Who the server runs as, where that is someone else. */
function userOf(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const idOf = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { stdio: 'pipe' }));
    return { uid: idOf('-u'), gid: idOf('-g') };
  } catch {
    return undefined;
  }
}

/** `parent`: the folder to make its folder in. */
export async function startPostgres(parent = tmpdir()): Promise<PostgresServer> {
  const bin = binaries();
  if (bin === undefined) throw new Error('there is no PostgreSQL here');
  const user = userOf();
  const folder = await mkdtemp(join(parent, 'nv-wal-postgres-'));
  const data = join(folder, 'data');
  if (user) await chown(folder, user.uid, user.gid);
  await writeFile(join(folder, 'password'), PASSWORD);
  const auth = ['--auth-local=trust', '--auth-host=scram-sha-256', `--pwfile=${join(folder, 'password')}`];
  const how = ['--username=wal', '--encoding=UTF8', '--no-locale', '--no-sync', ...auth];
  await promisify(execFile)(join(bin, 'initdb'), ['-D', data, ...how], { ...user, cwd: folder });
  const port = await freePort();
  const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder];

  let server: ChildProcess | undefined;
  const start = async () => {
    // What it prints goes into its own log, which is looked at where it does not start.
    server = spawn(join(bin, 'postgres'), args, {
      ...user,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    server.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
    for (let attempt = 0; !(await answers(folder, port)); attempt++) {
      if (server.exitCode !== null || attempt > READY_TRIES)
        throw new Error(`PostgreSQL does not start: ${said}`);
    }
  };
  const end = async (signal: NodeJS.Signals) => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  // A test that fails, or that ends the process, must leave no server behind.
  process.once('exit', () => {
    server?.kill('SIGQUIT');
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  await start();
  return {
    url: `postgres://wal:${PASSWORD}@127.0.0.1:${port}/postgres`,
    urlWithoutPassword: `postgres://wal@127.0.0.1:${port}/postgres`,
    database: async (name) => {
      await query(folder, port, `create database ${name}`);
      return `postgres://wal:${PASSWORD}@127.0.0.1:${port}/${name}`;
    },
    // Immediate shutdown: as after a crash, the next start replays the server's own log.
    crash: () => end('SIGQUIT'),
    start,
    pid: () => server?.pid ?? 0,
    stop: async () => {
      await end('SIGINT');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function query(folder: string, port: number, text: string): Promise<void> {
  const client = new pg.Client({ host: folder, port, user: 'wal', database: 'postgres' });
  await client.connect();
  await client.query(text);
  await client.end();
}

/** Whether it answers by now; takes its time where it does not. */
async function answers(folder: string, port: number): Promise<boolean> {
  try {
    await query(folder, port, 'select 1');
    return true;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 25));
    return false;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
