// The end of a drained log: its folder is renamed while its lock is held, then removed. Whoever looks for the
// log finds it whole or not at all, also after a crash at any point.

import { readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../log/folder.js';
import { sectionRange } from '../log/keyspace.js';
import type { Log } from '../log/log.js';
import { readMark } from '../log/mark.js';

/** No instance's name begins with a dot. */
const PREFIX = '.removed-';

/** Whether a folder of this name is what was left of a removed log. */
export function isRemoved(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** Whether every cursor has passed everything. */
function isDrained(log: Log): boolean {
  return [...log.streams.values()].every(({ cursors, lastSeq }) =>
    [...cursors.values()].every((cursor) => cursor.seq >= lastSeq),
  );
}

/**
 * Whether nothing in a log could be missed: it is drained, holds no records, no notices, no quarantine, and no
 * word of what was imported, without which importing it again would do so twice. By what is on disk.
 */
export async function isEmpty(log: Log): Promise<boolean> {
  if (!isDrained(log)) return false;
  // A stream that only the mark knows was lost, and nobody has been told yet.
  const marked = Object.entries((await readMark(log.dir))?.streams ?? {});
  if (marked.some(([kind, { lastSeq }]) => lastSeq > log.stream(kind).lastSeq)) return false;
  // What is left of a damaged database is somebody's to look at.
  if ((await readdir(log.dir)).some((name) => name.startsWith('db.damaged-'))) return false;
  for (const section of ['entry', 'notice', 'quarantine', 'import'] as const) {
    if ((await log.store.scanKeys(sectionRange(section), 1)).length > 0) return false;
  }
  return true;
}

/**
 * Closes an empty log and removes it. A crash before the rename leaves the log as it was, one behind it a folder
 * that is nobody's log and that the next look at the siblings removes.
 */
export async function removeLog(log: Log): Promise<void> {
  const { dir, identity } = log;
  const parent = dirname(dir);
  const path = join(parent, `${PREFIX}${identity.instance}-${identity.logId}`);
  await rm(path, { recursive: true, force: true });
  // LevelDB deletes obsolete files by their path when it has compacted, and that path may be its owner's new log
  // in a moment. After a full compaction of next to nothing it has nothing more to do.
  await log.trimmer.compactAll();
  await log.close(async () => {
    await rename(dir, path);
    // On disk before anything in it goes: a power loss must not bring half a log back under its name.
    await syncFolder(parent);
  });
  await rm(path, { recursive: true, force: true });
}
