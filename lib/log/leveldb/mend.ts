// A copy of a database that LevelDB can read: sound files as hard links, damaged ones without what is damaged.
// Never changes what is there.

import { link, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mendFrames, readFrames } from './frames.js';
import { filesOf, readCurrent, wantedTables } from './inspect.js';
import { mendTable, tableProblem } from './table.js';

/**
 * Makes the copy; `to` must not exist. `misfit`: the MANIFEST does not say what belongs to the database. Returns
 * false where tables had to be left out or changed their size, so that it does not fit them any more. `keys`: see
 * `mendTable`.
 */
export async function copyMended(from: string, to: string, misfit: boolean, keys = false): Promise<boolean> {
  await mkdir(to, { mode: 0o700 });
  const files = await filesOf(from);
  const { logs, others } = files;
  const tables = wantedTables(files, misfit ? undefined : await readCurrent(from, files));
  for (const name of others) await copyOther(join(from, name), join(to, name));
  for (const name of logs.values()) await copyLog(join(from, name), join(to, name));
  let fits = true;
  for (const name of tables) fits = (await copyTable(join(from, name), join(to, name), keys)) && fits;
  return fits;
}

/**
 * CURRENT, or a MANIFEST without what a power loss has left of its last write: of that, LevelDB takes only what is too
 * short for it for cut off, and refuses the rest.
 */
async function copyOther(from: string, to: string): Promise<void> {
  const file = await readFile(from);
  const end = /MANIFEST-\d+$/.test(from) ? readFrames(file).end : file.length;
  if (end === file.length) await link(from, to);
  else await writeSynced(to, file.subarray(0, end));
}

/** Hard links take no room, and LevelDB never changes a file that it has not written itself since it was opened. */
async function copyLog(from: string, to: string): Promise<void> {
  const file = await readFile(from);
  const { damaged } = readFrames(file);
  if (damaged.length === 0) await link(from, to);
  else await writeSynced(to, mendFrames(file, damaged));
}

async function copyTable(from: string, to: string, keys: boolean): Promise<boolean> {
  const file = await readFile(from);
  if (tableProblem(file, keys) === undefined) {
    await link(from, to);
    return true;
  }
  const mended = mendTable(file, keys);
  if (mended) await writeSynced(to, mended);
  return mended?.length === file.length;
}

async function writeSynced(path: string, content: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
