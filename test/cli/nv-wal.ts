// Runs the command line as a process of its own, as a shell would; and makes logs for it to work on.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { WalOptions } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import { withFolder } from '../helpers/folder.js';
import { AUDIENCE, ISSUER, SECRET } from '../helpers/receiver.js';
import { build } from './build.js';

export interface Ran {
  /** The exit code; `null` where a signal ended it. */
  code: number | null;
  stdout: string;
  /** Lines on stderr. */
  stderr: string[];
}

export interface Running {
  readonly process: ChildProcess;
  /** What it has printed so far, on stdout and on stderr. */
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves as soon as something it prints, on either, matches. Rejects when it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ran>;
}

export interface RunOptions {
  /** Over an environment without anything that concerns a log. */
  env?: Record<string, string>;
  /** What comes on stdin, a pipe; without it, stdin is /dev/null. */
  input?: string;
}

/** The compiled program. */
export const MAIN = await build();

/** What a sink, and the receiver of test/helpers, need to understand each other. */
export const TOKEN_ENV = { WAL_S2S_ISSUER: ISSUER, WAL_S2S_AUDIENCE: AUDIENCE, WAL_S2S_SECRET: SECRET };

export async function nvWal(args: string[], options: RunOptions = {}): Promise<Ran> {
  return await start(args, options).ended;
}

export function start(args: string[], { env = {}, input }: RunOptions = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...plainEnvironment(), ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  const printed = { stdout: '', stderr: '' };
  const looking = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text;
      for (const look of looking) look();
    });
  }
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const { stdout, stderr } = printed;
      resolve({ code, stdout, stderr: stderr.split('\n').filter((line) => line !== '') });
    });
  });
  return {
    process: child,
    get stdout() {
      return printed.stdout;
    },
    get stderr() {
      return printed.stderr;
    },
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(printed.stdout) ?? pattern.exec(printed.stderr);
          if (match) resolve(match);
        };
        looking.add(look);
        look();
        void ended.then(({ stdout, stderr }) =>
          reject(new Error(`it ended without ${pattern}: ${stdout}${stderr.join('\n')}`)),
        );
      }),
    ended,
  };
}

/** Runs something that goes on until it is stopped; it is gone afterwards. */
export async function whileRunning(
  args: string[],
  options: RunOptions,
  use: (running: Running) => Promise<void>,
): Promise<void> {
  const running = start(args, options);
  try {
    await use(running);
  } finally {
    running.process.kill('SIGKILL');
    await running.ended;
  }
}

export interface MadeLog {
  varDir: string;
  dir: string;
  /** How the command line is told of it. */
  at: string[];
}

/** A log of `gateway` that `fill` has filled, closed again, in a folder that is gone afterwards. */
export async function withLog(
  fill: (wal: Wal<Record<string, object>>) => Promise<void>,
  use: (log: MadeLog) => Promise<void>,
  options: Partial<WalOptions> = {},
): Promise<void> {
  await withFolder(async (varDir) => {
    const wal = await Wal.open<Record<string, object>>({
      service: 'gateway',
      varDir,
      reserveBytes: 0,
      ...options,
    });
    await fill(wal);
    await wal.close();
    const at = ['--service', 'gateway', '--var-dir', varDir];
    await use({ varDir, dir: join(varDir, 'nv-wal', 'gateway', 'main'), at });
  });
}

/** Appends records `{ n }` from 1 to `count`, in one commit. */
export async function appendNumbers(
  wal: Wal<Record<string, object>>,
  kind: string,
  count: number,
): Promise<void> {
  await wal.appendMany(
    kind,
    Array.from({ length: count }, (_, n) => ({ n: n + 1 })),
  );
}

export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VAR_DIR|WAL_.*|NO_COLOR|FORCE_COLOR)$/.test(name)),
  );
}
