// Room on a full disk that LevelDB itself would only make by writing more: files that it does not need any more,
// and whole tables that hold nothing but what was deleted. Nobody may have the database open.

import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../folder.js';
import { filesOf, readCurrent } from './inspect.js';
import type { Manifest, TableMeta } from './manifest.js';
import { encodeManifest } from './manifest.js';

/** Keys of which none is wanted any more, `gte` to `lt`. */
export interface DeadRange {
  readonly gte: string;
  readonly lt: string;
}

/** Behind the user's part of a key. */
const KEY_SUFFIX_BYTES = 8;

/** Bytes that `makeRoom` gives back, and bytes of logs: what opening the database has to write into tables. */
export async function measureRoom(
  dir: string,
  dead: readonly DeadRange[],
): Promise<{ freeable: number; logBytes: number }> {
  const files = await filesOf(dir);
  const manifest = await readCurrent(dir, files);
  let freeable = 0;
  let logBytes = 0;
  for (const [number, name] of files.logs) {
    const { size } = await stat(join(dir, name));
    if (manifest && number < manifest.logNumber) freeable += size;
    else logBytes += size;
  }
  if (!manifest) return { freeable, logBytes };
  for (const [number, name] of files.tables) {
    const table = manifest.tables.get(number);
    if (!table || isDead(table, dead)) freeable += (await stat(join(dir, name))).size;
  }
  return { freeable, logBytes };
}

/**
 * Removes what the MANIFEST does not know: what a compaction has written that the full disk broke off, and logs
 * that are in tables; then tables of dead keys, once a new MANIFEST says that they are gone. Can be interrupted
 * anywhere: LevelDB removes what is left.
 *
 * Deletes of dead keys may go with them, so that older entries under such keys are back: to be deleted again.
 */
export async function makeRoom(dir: string, dead: readonly DeadRange[]): Promise<void> {
  const files = await filesOf(dir);
  const manifest = await readCurrent(dir, files);
  if (!manifest) return;
  for (const [number, name] of files.logs) if (number < manifest.logNumber) await rm(join(dir, name));
  for (const [number, name] of files.tables) if (!manifest.tables.has(number)) await rm(join(dir, name));
  const alive = new Map([...manifest.tables].filter(([, table]) => !isDead(table, dead)));
  if (alive.size === manifest.tables.size) return;
  await replaceManifest(dir, { ...manifest, tables: alive });
  for (const number of manifest.tables.keys()) {
    const name = files.tables.get(number);
    if (name !== undefined && !alive.has(number)) await rm(join(dir, name));
  }
}

function isDead({ smallest, largest }: TableMeta, dead: readonly DeadRange[]): boolean {
  const first = smallest.subarray(0, -KEY_SUFFIX_BYTES);
  const last = largest.subarray(0, -KEY_SUFFIX_BYTES);
  return dead.some(
    ({ gte, lt }) => first.compare(Buffer.from(gte)) >= 0 && last.compare(Buffer.from(lt)) < 0,
  );
}

/** As LevelDB does it: a new file, and then CURRENT, each on disk before the next step. */
async function replaceManifest(dir: string, manifest: Manifest): Promise<void> {
  const number = manifest.nextFileNumber;
  const name = `MANIFEST-${String(number).padStart(6, '0')}`;
  await writeSynced(join(dir, name), encodeManifest({ ...manifest, nextFileNumber: number + 1 }));
  const temporary = join(dir, `${String(number).padStart(6, '0')}.dbtmp`);
  await writeSynced(temporary, Buffer.from(`${name}\n`));
  await syncFolder(dir);
  await rename(temporary, join(dir, 'CURRENT'));
  await syncFolder(dir);
}

async function writeSynced(path: string, content: Buffer): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
