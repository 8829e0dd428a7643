// Shells that really complete: somebody types on a terminal, and presses Tab.

import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withFolder } from '../helpers/folder.js';
import { skipIf } from '../helpers/skip.js';
import { MAIN, nvWal } from './nv-wal.js';
import { noTerminal } from './terminal.js';

const it = suite('cli/completion');

/** How each shell starts without anybody's settings, reads a script, and says that it did. */
const SHELLS = {
  bash: { args: ['--norc', '--noprofile', '-i'], load: 'source "$SCRIPT"; PS1="> "; echo re""ady' },
  zsh: {
    args: ['-f', '-i'],
    load: 'PS1="> "; bindkey -e; autoload -U compinit; compinit -D; source "$SCRIPT"; echo re""ady',
  },
  fish: { args: ['--no-config', '-i'], load: 'source "$SCRIPT"; echo re""ady' },
} as const;

for (const [shell, { args, load }] of Object.entries(SHELLS)) {
  const isThere = spawnSync(shell, ['--version']).status === 0;
  const test = skipIf(it, noTerminal || (!isThere && `needs ${shell}`));
  test(`${shell} completes a command, an option, its value, and a folder`, async () => {
    await withFolder(async (folder) => {
      const env = await environment(folder, shell);
      // At last, what was completed becomes the argument of an `echo` into a file.
      const typed = [`${load}\n`, 'nv-wal ta\t--ki\taud\t--di\tfold\t >typed\u0001echo \n', 'exit\n'];
      const printed = await type(shell, args, typed, { env, cwd: folder });
      const completed = await readFile(join(folder, 'typed'), 'utf8').catch(() => printed);
      // Zsh takes a folder's slash back.
      assert.match(completed, /^nv-wal tail --kind audit --dir folder\/?$/m);
    });
  });
}

it('another shell is refused', async () => {
  const { code, stderr } = await nvWal(['completion', 'csh']);
  assert.equal([code, stderr.length], [2, 1]);
  assert.match(stderr[0]!, /Allowed choices are bash, zsh, fish/);
});

it.run();

/** `nv-wal` in the path, its script for a shell in $SCRIPT, and a folder to be completed. */
async function environment(folder: string, shell: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await mkdir(join(folder, 'folder'));
  await writeFile(join(bin, 'nv-wal'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  await chmod(join(bin, 'nv-wal'), 0o755);
  const script = join(folder, 'script');
  await writeFile(script, (await nvWal(['completion', shell])).stdout);
  return {
    ...process.env,
    PATH: `${bin}:${process.env['PATH']}`,
    SCRIPT: script,
    HOME: folder,
    TERM: 'xterm',
  };
}

/** Types lines on a terminal, the first ones' rest as soon as it says that it is ready; what it prints. */
function type(
  shell: string,
  args: readonly string[],
  [first, ...rest]: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd: string },
): Promise<string> {
  const child = spawn('script', ['-qec', [shell, ...args].join(' '), '/dev/null'], {
    ...options,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let printed = '';
  let isReady = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    if (isReady || !/^ready/m.test(printed)) return;
    isReady = true;
    child.stdin.write(rest.join(''));
  });
  child.stdin.write(first);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(printed));
  });
}
