// A service under strace: killed at a system call, or given an error by one. No line of the library knows of it.

import { spawn, spawnSync } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loader } from '../helpers/compile.js';
import type { Orders } from './points-orders.js';
import type { Witness } from './points-witness.js';

/** Why there is no strace here; `undefined` where there is. */
export function straceMissing(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux';
  // Installed is not enough: containers may forbid it.
  const tried = spawnSync('strace', ['-f', '--seccomp-bpf', '-qq', '-e', 'trace=none', 'true'], {
    timeout: 10_000,
  });
  if (tried.error) return 'needs strace (a Debian package of that name)';
  return tried.status === 0 ? undefined : 'strace may not trace processes here';
}

const SERVICE = fileURLToPath(new URL('points-service.ts', import.meta.url));

/**
 * How a service ended. By a fault: LevelDB 1.20 follows a null pointer where a commit is refused while it compacts a
 * range. On a disk that is really full the log lets the two take turns (lib/log/handle.ts); one that only says so,
 * here, can't be foreseen. To the log it is a kill like any other.
 */
export type End = { by: 'kill' } | { by: 'fault' } | { by: 'itself' } | { by: 'failure'; output: string };

const LIMIT_MS = 30_000;

/**
 * Runs a service until it ends, and lets the witness hear what it said. With `strace`, its options; with
 * `killAfterMs`, it is killed after so long. `folder`: for what it says; a pipe could lose the end of it.
 */
export async function runService(
  orders: Orders,
  witness: Witness,
  how: { folder: string; strace?: readonly string[]; killAfterMs?: number },
): Promise<End> {
  const node = [process.execPath, '--import', loader(), SERVICE, JSON.stringify(orders)];
  const [command, ...args] = how.strace ? ['strace', ...how.strace, ...node] : node;
  const said = join(how.folder, 'said');
  const stdout = await open(said, 'w');
  // A group of its own: strace that is killed would let the service live on.
  const child = spawn(command!, args, {
    stdio: ['ignore', stdout.fd, 'pipe'],
    detached: true,
    // Strace counts the calls of each thread: with one that writes, the nth is the nth.
    env: how.strace ? { ...process.env, UV_THREADPOOL_SIZE: '1' } : process.env,
  });
  await stdout.close();
  const kill = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // It ended by itself just now.
    }
  };
  let tookTooLong = false;
  const limit = setTimeout(() => {
    tookTooLong = true;
    kill();
  }, LIMIT_MS);
  const timer = how.killAfterMs === undefined ? undefined : setTimeout(kill, how.killAfterMs);
  let output = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-10_000);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...ended) => resolve(ended));
  });
  clearTimeout(limit);
  clearTimeout(timer);
  witness.hear(await readFile(said, 'utf8'));
  witness.hearNoMore();
  if (tookTooLong) return { by: 'failure', output: `still running after ${LIMIT_MS} ms\n${output}` };
  if (code === 0) return { by: 'itself' };
  // Strace ends itself by the signal that ended what it traced.
  if (signal === 'SIGKILL' || code === 137) return { by: 'kill' };
  if (signal === 'SIGSEGV' || code === 139) return { by: 'fault' };
  return { by: 'failure', output: `ended with ${code ?? signal}\n${output}` };
}
