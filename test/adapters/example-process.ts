// An example service as a process of its own: what it prints, what it is told, and how it ends.

import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { loader } from '../helpers/compile.js';
import type { Receiver } from '../helpers/receiver.js';

export interface Service {
  /** Resolves with the first match in what it prints; fails where it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Writes a line to its standard input. */
  tell(line: string): void;
  /** No more lines. */
  end(): void;
  /** Resolves with its exit code, or with the signal that ended it. */
  signal(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | NodeJS.Signals>;
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** How an example finds its folder, and the receiver. */
export function environment(varDir: string, { url, issuer, audience, secret }: Receiver): NodeJS.ProcessEnv {
  return {
    VAR_DIR: varDir,
    WAL_BASE_URL: url,
    WAL_S2S_ISSUER: issuer,
    WAL_S2S_AUDIENCE: audience,
    WAL_S2S_SECRET: secret,
  };
}

export async function withService<T>(
  script: URL,
  env: NodeJS.ProcessEnv,
  use: (service: Service) => Promise<T>,
): Promise<T> {
  const child = spawn(process.execPath, ['--import', loader(), script.pathname], {
    env: { ...process.env, ...env },
  });
  const changed = new EventEmitter();
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      changed.emit('change');
    });
  }
  // One that was killed takes no more lines.
  child.stdin.on('error', () => {});
  let isGone = false;
  const ended = once(child, 'close').then(([code, signal]) => {
    isGone = true;
    changed.emit('change');
    return (code ?? signal) as number | NodeJS.Signals;
  });
  const service: Service = {
    printed: async (pattern) => {
      for (;;) {
        const match = pattern.exec(output);
        if (match) return match;
        if (isGone) throw new Error(`it ended without ${pattern}: ${output}`);
        await once(changed, 'change');
      }
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    end: () => child.stdin.end(),
    signal: (signal) => {
      child.kill(signal);
      return ended;
    },
    ended,
  };
  try {
    return await use(service);
  } finally {
    await service.signal('SIGKILL');
  }
}
