// The command line on a terminal: `script` (util-linux) gives it one.

import { spawn, spawnSync } from 'node:child_process';
import { MAIN } from './nv-wal.js';

/** Why there is no terminal to be had here, if so. */
export const noTerminal =
  !/util-linux/.test(String(spawnSync('script', ['--version']).stdout)) &&
  "needs util-linux's script, to have a terminal";

export interface TerminalOptions {
  env?: Record<string, string>;
  /** Presses Ctrl-C as soon as this was printed. */
  interruptAt?: RegExp;
}

/** What it prints on a terminal, stdout and stderr together. Fails where it does not exit with 0. */
export function onTerminal(args: string[], { env, interruptAt }: TerminalOptions = {}): Promise<string> {
  // Without exec some shells (dash) stay beside it, and a Ctrl-C ends them as well, with 130.
  const command = `exec ${[process.execPath, MAIN, ...args].map(quoted).join(' ')}`;
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...others } = process.env;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...others, TERM: 'xterm-256color', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let printed = '';
  let isInterrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (isInterrupted || !interruptAt?.test(printed)) return;
    isInterrupted = true;
    child.stdin.write('\u0003');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(printed.replaceAll('\r\n', '\n'));
      else reject(new Error(`it ended with ${code}: ${printed}`));
    });
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
