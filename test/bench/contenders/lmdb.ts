// lmdb behind the front: the puts of a group are one transaction, and count once it is flushed.

import { join } from 'node:path';
import { open } from 'lmdb';
import { behindFront } from './front-path.js';
import type { GroupStore } from './front.js';

async function openLmdb(dir: string): Promise<GroupStore> {
  const db = open<string, number>({
    path: join(dir, 'records.mdb'),
    keyEncoding: 'uint32',
    encoding: 'string',
  });
  let removedTo = 0;
  return {
    write: async ({ firstSeq, lines, removeTo }) => {
      // What is asked for in one turn goes together; the last to be done stands for all of it.
      let last: Promise<unknown> | undefined;
      for (const [n, line] of lines.entries()) last = db.put(firstSeq + n, line);
      while (removedTo < removeTo) last = db.remove(++removedTo);
      await last;
      await db.flushed;
    },
    read: async (after, countMax) => {
      const lines = Array.from(db.getRange({ start: after + 1, limit: countMax }), ({ value }) => value);
      return { bytes: Buffer.from(lines.join('')), count: lines.length };
    },
    close: () => db.close(),
  };
}

export const lmdb = behindFront(openLmdb);
