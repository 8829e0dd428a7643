// better-sqlite3 behind the front: one transaction a group, synced as it ends. It works on the main thread: nothing
// else happens in the process meanwhile.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { behindFront } from './front-path.js';
import type { GroupStore } from './front.js';

async function openSqlite(dir: string): Promise<GroupStore> {
  const db = new Database(join(dir, 'records.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE records (seq INTEGER PRIMARY KEY, line TEXT NOT NULL)');
  const insert = db.prepare('INSERT INTO records VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM records WHERE seq <= ?');
  const select = db.prepare('SELECT line FROM records WHERE seq > ? ORDER BY seq LIMIT ?').pluck();
  const transact = db.transaction((firstSeq: number, lines: readonly string[], removeTo: number) => {
    for (const [n, line] of lines.entries()) insert.run(firstSeq + n, line);
    if (removeTo > 0) remove.run(removeTo);
  });
  return {
    write: async ({ firstSeq, lines, removeTo }) => transact(firstSeq, lines, removeTo),
    read: async (after, countMax) => {
      const lines = select.all(after, countMax) as string[];
      return { bytes: Buffer.from(lines.join('')), count: lines.length };
    },
    close: async () => {
      db.close();
    },
  };
}

export const betterSqlite3 = behindFront(openSqlite);
