// Real databases for the tests of their files.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Store } from '../../../lib/log/store.js';
import { openStore } from '../../../lib/log/store.js';
import { withFolder } from '../../helpers/folder.js';

export const keyOf = (n: number): string => `!entry!!log!${String(n).padStart(16, '0')}`;

export const valueOf = (n: number): Buffer => Buffer.from(`value ${n} `.repeat(10 + (n % 50)));

/** A database in a folder of its own: so many keys in tables, and some more, a commit each, in the log. */
export async function withDatabase(
  { inTables = 400, inLog = 60 }: { inTables?: number; inLog?: number },
  use: (dir: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'db');
    await open(dir, true, async (store) => {
      const keys = Array.from({ length: inTables }, (_, n) => n);
      await store.commit(new Map(keys.map((n) => [keyOf(n), valueOf(n)])));
      await store.compact({ gte: '!', lt: '~' });
    });
    await open(dir, false, async (store) => {
      for (let n = inTables; n < inTables + inLog; n++) await store.commit(new Map([[keyOf(n), valueOf(n)]]));
    });
    await use(dir);
  });
}

export async function open<T>(dir: string, create: boolean, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(dir, create);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** The numbers whose values are what was written; everything else is changed. */
export async function readNumbers(dir: string): Promise<{ sound: number[]; changed: number }> {
  return await open(dir, false, async (store) => {
    const rows: [string, Buffer][] = [];
    for (let gte = '!'; ;) {
      const chunk = await store.scan({ gte, lt: '~' }, { limit: 1000 });
      if (chunk.length === 0) break;
      rows.push(...chunk);
      gte = `${chunk.at(-1)![0]}\0`;
    }
    const sound = rows
      .map(([key]) => Number(key.slice(-16)))
      .filter((n, at) => rows[at]![1].equals(valueOf(n)));
    return { sound, changed: rows.length - sound.length };
  });
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
