// What LevelDB itself can do: the lines of a group as they are, in one value, one synced put a group. Whatever stores
// in LevelDB behind such a front, one group at a time, can at best be as fast.

import { join } from 'node:path';
import { Level } from 'level';
import type { Contender } from './contender.js';
import type { GroupStore } from './front.js';
import { Front } from './front.js';
import { bytesOf } from './lines.js';

const SEQ_DIGITS = 16;

/** `level` leaves out what only LevelDB has. */
const SYNCED = { sync: true };

async function openLevelGroups(dir: string): Promise<GroupStore> {
  const db = new Level<string, Buffer>(join(dir, 'groups'), { valueEncoding: 'buffer' });
  await db.open();
  return {
    write: async ({ firstSeq, lines }) =>
      await db.put(String(firstSeq).padStart(SEQ_DIGITS, '0'), bytesOf(lines), SYNCED),
    read: () => Promise.reject(new Error('it only takes')),
    close: () => db.close(),
  };
}

export const levelGroups: Contender = {
  openAppender: async ({ dir }) => new Front(await openLevelGroups(dir)),
};
