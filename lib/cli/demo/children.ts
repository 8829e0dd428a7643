// The demo's other processes: this same program again, with other arguments. None of them outlives the demo.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';

/** Of what a child says on stderr, the end is kept for the case that it fails. */
const SAID_CHARS_MAX = 4096;

export interface Child {
  readonly process: ChildProcess;
  /** Resolves when it is gone and everything that it sent was read. */
  readonly gone: Promise<void>;
  /** The first line that it prints. Never settles where it prints none: see `gone`. */
  readonly firstLine: Promise<string>;
  /** How it ended and what it last said, for people. */
  why(): string;
}

export class Children {
  readonly #running = new Set<ChildProcess>();

  /** @param env All of the child's environment. */
  start(args: string[], env: NodeJS.ProcessEnv): Child {
    // From `dist` as under a loader such as tsx. Two processes can't share a debugger's port.
    const loader = process.execArgv.filter((arg) => !arg.startsWith('--inspect'));
    const child = spawn(process.execPath, [...loader, process.argv[1]!, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#running.add(child);
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-SAID_CHARS_MAX);
    });
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.once('error', () => resolve());
    });
    const unlinked = new Promise<void>((resolve) => {
      child.once('disconnect', () => resolve());
      child.once('error', () => resolve());
    });
    const gone = Promise.all([ended, unlinked]).then(() => {
      this.#running.delete(child);
    });
    return {
      process: child,
      gone,
      firstLine: firstLineOf(child),
      why: () => `${child.signalCode ?? `exit code ${child.exitCode}`}${said && `: ${said.trim()}`}`,
    };
  }

  /** Ends what is still running, at once. */
  kill(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }
}

/** The environment without what is meant for a log or a receiver of the user's own. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name !== 'VAR_DIR' && !name.startsWith('WAL_')),
  );
}

function firstLineOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let printed = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      // Read on to the end: a full pipe would stop the child.
      if (printed.includes('\n')) return;
      printed += text;
      const end = printed.indexOf('\n');
      if (end >= 0) resolve(printed.slice(0, end));
    });
  });
}
