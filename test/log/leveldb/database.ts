// Real databases for the tests of their files.

import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import type { Store } from '../../../lib/log/store.js';
import { openStore } from '../../../lib/log/store.js';
import { withFolder } from '../../helpers/folder.js';

export const keyOf = (n: number): string => `!entry!!log!${String(n).padStart(16, '0')}`;

/** The same bytes for the same seed, and nothing to pack in them. */
export function noise(seed: number | string, bytes: number): Buffer {
  return createHash('shake256', { outputLength: bytes }).update(String(seed)).digest();
}

/** As lines are: some of it repeats, and some never does. */
export function valueOf(n: number): Buffer {
  const lines = 5 + (n % 25);
  const hex = noise(n, 4 * lines).toString('hex');
  return Buffer.from(
    Array.from({ length: lines }, (_, k) => `value ${n} ${hex.slice(8 * k, 8 * k + 8)} `).join(''),
  );
}

const RANDOM_ROWS = 300;
const RANDOM_BYTES_MAX = 81_920;

/** Values that pack well, badly and not at all, of none to 80 KiB: snappy looks back over 64. */
export function randomRows(seed: number): [key: string, value: Buffer][] {
  return Array.from({ length: RANDOM_ROWS }, (_, n) => {
    const chance = (what: string) => noise(`${seed} ${what} ${n}`, 4).readUInt32LE() / 2 ** 32;
    const phrase = noise(`${seed} phrase ${n}`, 1 + Math.floor(chance('phrase') ** 2 * 3000));
    const value = Buffer.alloc(Math.floor(chance('bytes') ** 6 * RANDOM_BYTES_MAX), phrase);
    const step = 2 + Math.floor(chance('step') * 200);
    const others = noise(`${seed} others ${n}`, Math.ceil(value.length / step));
    for (const [k, other] of others.entries()) value[k * step] = other;
    return [keyOf(n), value];
  });
}

export interface DatabaseOptions {
  inTables?: number;
  inLog?: number;
  /** `false` for tables as older versions wrote them. */
  packed?: boolean;
}

/** A database in a folder of its own: so many keys in tables, and some more, a commit each, in the log. */
export async function withDatabase(
  { inTables = 400, inLog = 60, packed = true }: DatabaseOptions,
  use: (dir: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'db');
    await makeTables(
      dir,
      Array.from({ length: inTables }, (_, n) => [keyOf(n), valueOf(n)]),
      packed,
    );
    await open(dir, false, async (store) => {
      for (let n = inTables; n < inTables + inLog; n++) await store.commit(new Map([[keyOf(n), valueOf(n)]]));
    });
    await use(dir);
  });
}

/** LevelDB's own tables of these rows. */
export async function makeTables(
  dir: string,
  rows: readonly (readonly [string, Buffer])[],
  packed: boolean,
): Promise<void> {
  const db = new Level<string, Buffer>(dir, { valueEncoding: 'buffer', compression: packed });
  await db.batch(rows.map(([key, value]) => ({ type: 'put', key, value })));
  await compactAll(db);
  await db.close();
}

/** Only Node's LevelDB has it, and `level` is also for browsers. */
async function compactAll(db: Level<string, Buffer>): Promise<void> {
  await (db as typeof db & { compactRange(from: string, to: string): Promise<void> }).compactRange('!', '~');
}

export async function open<T>(dir: string, create: boolean, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(dir, create);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Everything that LevelDB reads. */
export async function readRows(dir: string): Promise<[key: string, value: Buffer][]> {
  return await open(dir, false, async (store) => {
    const rows: [string, Buffer][] = [];
    for (let gte = '!'; ;) {
      const chunk = await store.scan({ gte, lt: '~' }, { limit: 1000 });
      if (chunk.length === 0) return rows;
      rows.push(...chunk);
      gte = `${chunk.at(-1)![0]}\0`;
    }
  });
}

/** The numbers whose values are what was written; everything else is changed. */
export async function readNumbers(dir: string): Promise<{ sound: number[]; changed: number }> {
  const rows = await readRows(dir);
  const sound = rows
    .map(([key]) => Number(key.slice(-16)))
    .filter((n, at) => rows[at]![1].equals(valueOf(n)));
  return { sound, changed: rows.length - sound.length };
}

/** The only file of its kind, or the largest. */
export async function fileOf(dir: string, pattern: RegExp): Promise<{ path: string; content: Buffer }> {
  const names = (await readdir(dir)).filter((name) => pattern.test(name));
  const files = await Promise.all(
    names.map(async (name) => ({ path: join(dir, name), content: await readFile(join(dir, name)) })),
  );
  return files.toSorted((a, b) => b.content.length - a.content.length)[0]!;
}

export function flippedAt(content: Buffer, at: number, bit = at % 8): Buffer {
  const copy = Buffer.from(content);
  copy[at]! ^= 1 << bit;
  return copy;
}

export async function replace(path: string, content: Buffer): Promise<void> {
  await writeFile(path, content);
}
