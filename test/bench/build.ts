// Compiles the library and the benchmark, so that what is measured is what users run: a TypeScript loader adds
// code of its own to hot paths.

import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Inside the package, where its dependencies are found; ignored by git. */
const BUILD = join(ROOT, '.bench', 'build');

/** Returns the folder of the benchmark's compiled modules. */
export async function build(): Promise<string> {
  await rm(BUILD, { recursive: true, force: true });
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  const project = join(ROOT, 'test', 'bench', 'tsconfig.build.json');
  await promisify(execFile)(process.execPath, [compiler, '-p', project]);
  return join(BUILD, 'test', 'bench');
}
