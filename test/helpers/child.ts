// A process of a test's own, that it talks to by messages and may kill. Gone afterwards, however the test ends.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { loader } from './compile.js';

export interface Child {
  readonly pid: number;
  send(message: unknown): void;
  /** The next message that was not taken yet; fails where the process ends first. */
  next(): Promise<unknown>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** One that outlives the call, to be ended by `kill`. `script`: as `withChild`'s. */
export function startChild(script: URL, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  const child = fork(script, [...args], {
    execArgv: script.pathname.endsWith('.ts') ? ['--import', loader()] : [],
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  return handleOf(child);
}

/** `script`: TypeScript, or what `withCompiled` made of it where a test starts many. */
export async function withChild(
  script: URL,
  args: readonly string[],
  use: (child: Child) => Promise<void>,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const handle = startChild(script, args, env);
  try {
    await use(handle);
  } finally {
    await handle.kill();
  }
}

function handleOf(child: ChildProcess): Child {
  const messages: unknown[] = [];
  const changed = new EventEmitter();
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4096)));
  child.on('message', (message) => {
    messages.push(message);
    changed.emit('change');
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    changed.emit('change');
    return (code ?? signal) as number | NodeJS.Signals;
  });
  const isGone = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid!,
    ended,
    send: (message) => void child.send(message as object),
    next: async () => {
      while (messages.length === 0) {
        if (isGone()) throw new Error(`the process ended: ${errors}`);
        await once(changed, 'change');
      }
      return messages.shift();
    },
    kill: async () => {
      if (!isGone()) child.kill('SIGKILL');
      await ended;
    },
  };
}
