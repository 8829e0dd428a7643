// Tests as JavaScript: a process under tsx, which does it on the way, needs twice as long to begin, and `npm test`
// begins some three hundred. Types are `npm run check`'s.

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Where dependencies are found, and no tool of the project looks. */
const CACHE = join(ROOT, 'node_modules', '.cache');
/** Says to the processes of a run in which folder all of the project is. */
const VARIABLE = 'NV_WAL_TEST_COMPILED';

const OPTIONS = ['--noCheck', '--noEmit', 'false', '--declaration', 'false'];
/** One script and what it imports. */
const ALONE = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
/** Everything. */
const PROJECT = ['--project', ROOT, '--sourceMap', 'false', '--inlineSourceMap', '--sourceRoot', ROOT];

/** What a process that runs TypeScript is given as `--import`: what was compiled for this run, or else tsx. */
export function loader(): string {
  const folder = process.env[VARIABLE];
  return folder === undefined
    ? import.meta.resolve('tsx')
    : pathToFileURL(join(folder, 'test', 'helpers', 'load-compiled.js')).href;
}

/** All of the project, for the processes that this one starts; it is gone when this one ends. */
export async function compileAll(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'nv-wal-test-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await compile(folder, PROJECT);
  process.env[VARIABLE] = folder;
}

/** A test's own script as JavaScript: a process that starts with it begins in a third of the time. */
export async function withCompiled(script: URL, use: (compiled: URL) => Promise<void>): Promise<void> {
  const source = fileURLToPath(script);
  const compiledIn = (folder: string) =>
    pathToFileURL(join(folder, relative(ROOT, source).replace(/\.ts$/, '.js')));
  const everything = process.env[VARIABLE];
  if (everything !== undefined) return await use(compiledIn(everything));
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'nv-wal-test-'));
  try {
    await compile(folder, [...ALONE, '--rootDir', ROOT, source]);
    await use(compiledIn(folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compile(folder: string, options: string[]): Promise<void> {
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [compiler, ...options, ...OPTIONS, '--outDir', folder]);
  await copyFile(join(ROOT, 'package.json'), join(folder, 'package.json'));
}
