// Whether the last process that worked with a log came to its end: a file is there while one does. LevelDB ends
// the process on some damage, so whoever comes after an unclean end looks at every table before LevelDB does.

import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

function markerOf(dir: string): string {
  return join(dir, 'unclean');
}

export async function isUnclean(dir: string): Promise<boolean> {
  try {
    await stat(markerOf(dir));
    return true;
  } catch {
    return false;
  }
}

/** Before LevelDB opens the database. A disk that refuses it is no reason not to open. */
export async function setUnclean(dir: string): Promise<void> {
  try {
    await (await open(markerOf(dir), 'a', 0o600)).close();
  } catch {
    // The next open then looks at small logs only.
  }
}

/** While the database is still held: afterwards the file may be the next owner's. */
export async function setClean(dir: string): Promise<void> {
  await rm(markerOf(dir), { force: true });
}
