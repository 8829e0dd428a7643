// The command line on a terminal: `script` (util-linux) gives it one.

import { spawn, spawnSync } from 'node:child_process';
import { MAIN } from './nv-wal.js';

/** Why there is no terminal to be had here, if so. */
export const noTerminal =
  !/util-linux/.test(String(spawnSync('script', ['--version']).stdout)) &&
  "needs util-linux's script, to have a terminal";

/** What it prints on a terminal, where stdin is one, too; stdout and stderr are one there. */
export function onTerminal(args: string[], env: Record<string, string> = {}): Promise<string> {
  const command = [process.execPath, MAIN, ...args].map(quoted).join(' ');
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...others } = process.env;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...others, TERM: 'xterm-256color', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(printed.replaceAll('\r\n', '\n')));
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
