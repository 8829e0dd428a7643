// Looks at the files of a database while nobody has it open: what LevelDB would not notice, take for an empty
// database, or delete. Changes nothing.
//
// A MANIFEST that was cut short hides tables, and LevelDB deletes what no MANIFEST knows; without CURRENT it
// makes a new database and deletes all of the old one.

import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readFrames } from './frames.js';
import type { Manifest } from './manifest.js';
import { readManifest } from './manifest.js';
import { tableProblem } from './table.js';

export type Condition =
  /** Nothing of a database is there: one can be made. */
  | { readonly is: 'absent' }
  | { readonly is: 'sound' }
  /** `misfit`: CURRENT, the MANIFEST and the other files do not go together. */
  | { readonly is: 'damaged'; readonly problems: readonly string[]; readonly misfit: boolean };

export interface DatabaseFiles {
  /** By number, ascending. */
  readonly logs: ReadonlyMap<number, string>;
  readonly tables: ReadonlyMap<number, string>;
  /** Whatever else LevelDB needs. */
  readonly others: readonly string[];
}

/** The files that make up a database. Its lock and its own diary are not among them. */
export async function filesOf(dir: string): Promise<DatabaseFiles> {
  const logs: [number, string][] = [];
  const tables: [number, string][] = [];
  const others: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const numbered = /^(\d+)\.(log|ldb|sst)$/.exec(entry.name);
    if (numbered) (numbered[2] === 'log' ? logs : tables).push([Number(numbered[1]), entry.name]);
    else if (/^(CURRENT|MANIFEST-\d+)$/.test(entry.name)) others.push(entry.name);
  }
  return { logs: byNumber(logs), tables: byNumber(tables), others };
}

function byNumber(files: readonly [number, string][]): Map<number, string> {
  return new Map(files.toSorted((a, b) => a[0] - b[0]));
}

/** Whether nothing of a database is in a folder. */
export async function isEmpty(dir: string): Promise<boolean> {
  return isNone(await filesOf(dir));
}

function isNone({ logs, tables, others }: DatabaseFiles): boolean {
  return !others.includes('CURRENT') && logs.size + tables.size === 0;
}

/** `tableBytesMax`: every table is read and checked where all of them together have no more bytes than this. */
export async function inspect(dir: string, tableBytesMax: number): Promise<Condition> {
  const files = await filesOf(dir);
  if (isNone(files)) return { is: 'absent' };
  const manifest = await readCurrent(dir, files);
  const sizes = await tableSizes(dir, files);
  const misfits = manifest
    ? misfitsOf(files, manifest, sizes)
    : ['CURRENT, or the MANIFEST that it names, is missing or damaged'];
  const wanted = wantedTables(files, misfits.length > 0 ? undefined : manifest);
  const bytes = wanted.reduce((sum, name) => sum + sizes.get(name)!, 0);
  const problems = [
    ...misfits,
    ...(await logProblems(dir, files, manifest?.logNumber ?? 0)),
    ...(bytes <= tableBytesMax ? await tableProblems(dir, wanted) : []),
  ];
  return problems.length === 0 ? { is: 'sound' } : { is: 'damaged', problems, misfit: misfits.length > 0 };
}

/** What CURRENT leads to; `undefined` where that is not whole. */
export async function readCurrent(dir: string, { others }: DatabaseFiles): Promise<Manifest | undefined> {
  if (!others.includes('CURRENT')) return undefined;
  const name = /^(MANIFEST-\d+)\n$/.exec(await readFile(join(dir, 'CURRENT'), 'latin1'))?.[1];
  return name !== undefined && others.includes(name)
    ? readManifest(await readFile(join(dir, name)))
    : undefined;
}

/** By name. All are asked for together: one after the other, a thousand of them take a large log's open 50 ms. */
async function tableSizes(dir: string, { tables }: DatabaseFiles): Promise<Map<string, number>> {
  const names = [...tables.values()];
  return new Map(
    await Promise.all(names.map(async (name) => [name, (await stat(join(dir, name))).size] as const)),
  );
}

/** What the MANIFEST says must be there, and is not. */
function misfitsOf(
  { logs, tables }: DatabaseFiles,
  manifest: Manifest,
  sizes: ReadonlyMap<string, number>,
): string[] {
  const problems: string[] = [];
  // LevelDB deletes a `.log` only once a MANIFEST says that the next one is the oldest: without this one, the
  // MANIFEST was cut short, or the log taken away.
  if (manifest.logNumber !== 0 && !logs.has(manifest.logNumber)) {
    problems.push(`the log ${manifest.logNumber} is missing, or the MANIFEST was cut short`);
  }
  for (const [number, { bytes }] of manifest.tables) {
    const name = tables.get(number);
    if (name === undefined) problems.push(`the table ${number} is missing`);
    else if (sizes.get(name) !== bytes)
      problems.push(`${name} has ${sizes.get(name)} bytes instead of ${bytes}`);
  }
  return problems;
}

async function logProblems(dir: string, { logs }: DatabaseFiles, from: number): Promise<string[]> {
  const problems: string[] = [];
  for (const [number, name] of logs) {
    if (number < from) continue;
    const [first] = readFrames(await readFile(join(dir, name))).damaged;
    if (first) problems.push(`${name} is damaged at ${first.start}`);
  }
  return problems;
}

/** Those that the MANIFEST knows: others were never finished, or are not needed any more. All of them where it can't be trusted. */
export function wantedTables({ tables }: DatabaseFiles, manifest: Manifest | undefined): string[] {
  return [...tables].filter(([number]) => !manifest || manifest.tables.has(number)).map(([, name]) => name);
}

async function tableProblems(dir: string, tables: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (const name of tables) {
    const problem = tableProblem(await readFile(join(dir, name)));
    if (problem !== undefined) problems.push(`${name}: ${problem}`);
  }
  return problems;
}
