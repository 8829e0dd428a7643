// A test's own script as JavaScript, with all that it imports: a process that a test starts many times begins in a
// third of the time that it takes under a TypeScript loader.

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where dependencies are found, and no tool of the project looks. */
const CACHE = join(ROOT, 'node_modules', '.cache');

/** Types are `npm run check`'s. */
const OPTIONS = ['--noCheck', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];

export async function withCompiled(script: URL, use: (compiled: URL) => Promise<void>): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'nv-wal-test-'));
  try {
    const source = fileURLToPath(script);
    const compiler = join(
      dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))),
      'bin',
      'tsc',
    );
    const places = ['--rootDir', ROOT, '--outDir', folder, '--ignoreConfig'];
    await promisify(execFile)(process.execPath, [compiler, ...OPTIONS, ...places, source]);
    await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'));
    await use(pathToFileURL(join(folder, relative(ROOT, source).replace(/\.ts$/, '.js'))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
