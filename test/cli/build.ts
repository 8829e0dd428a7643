// Compiles the library once for all the processes that these tests start: under a TypeScript loader each would
// take three times as long to begin. What is run is what users run.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where dependencies are found, and no tool of the project looks. */
const BUILDS = join(ROOT, 'node_modules', '.cache', 'nv-wal-cli');
/** A build that nobody has made for so long is of sources that are gone. */
const KEPT_MS = 3_600_000;

/** The compiled `main.js`, of the sources as they are now. */
export async function build(): Promise<string> {
  const folder = join(BUILDS, await digestOfSources());
  const main = join(folder, 'lib', 'cli', 'main.js');
  if (await statOf(main)) return main;
  await mkdir(BUILDS, { recursive: true });
  await removeOld();
  const made = await mkdtemp(join(BUILDS, 'new-'));
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  // Types are `npm run check`'s.
  const options = ['-p', join(ROOT, 'lib', 'tsconfig.json'), '--outDir', made, '--noCheck'];
  await promisify(execFile)(process.execPath, [compiler, ...options]);
  await copyFile(join(ROOT, 'package.json'), join(made, 'package.json'));
  const page = join('lib', 'operate', 'inspector', 'page');
  await cp(join(ROOT, page), join(made, page), { recursive: true });
  try {
    await rename(made, folder);
  } catch {
    // Another test file was faster, with the same.
    await rm(made, { recursive: true });
  }
  return main;
}

async function digestOfSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const top of ['lib', 'migrations', 'package.json', 'tsconfig.json']) {
    for (const path of await filesBelow(join(ROOT, top))) hash.update(path).update(await readFile(path));
  }
  return hash.digest('hex').slice(0, 32);
}

/** A file itself; none where nothing is. */
async function filesBelow(path: string): Promise<string[]> {
  const found = await statOf(path);
  if (!found?.isDirectory()) return found ? [path] : [];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

async function removeOld(): Promise<void> {
  for (const name of await readdir(BUILDS)) {
    const path = join(BUILDS, name);
    const made = (await statOf(path))?.mtimeMs ?? 0;
    if (Date.now() - made > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch {
    return undefined;
  }
}
