// The process of one contender: `subject.js NAME`. Takes jobs from its parent, one at a time, and answers each
// with a measurement. A process of its own keeps one contender's garbage and compiled code from the other's.

import { messageOf } from '../../lib/errors.js';
import type { LogRecord } from '../../lib/index.js';
import type { Contender } from './contenders/contender.js';
import type { Content, ContenderName, Measurement, Request } from './job.js';
import { measure } from './measure.js';
import { makeRecords } from './records.js';

/** What the parent gets for a request. */
export type Reply = { is: 'measured'; measurement: Measurement } | { is: 'failed'; message: string };

/** Appended over and over: far more than one group has, or deflate looks back on, so that nothing repeats to it. */
const RECORDS = 8192;

/** Loaded one by one: some are not everywhere. */
const CONTENDERS: Record<ContenderName, () => Promise<Contender>> = {
  wal: async () => {
    const { wal } = await import('./contenders/wal.js');
    const { prepareAssembly } = await import('./contenders/assembly.js');
    return { ...wal, prepareAssembly };
  },
  file: async () => (await import('./contenders/file.js')).file,
  'better-sqlite3': async () => (await import('./contenders/better-sqlite3.js')).betterSqlite3,
  lmdb: async () => (await import('./contenders/lmdb.js')).lmdb,
  level: async () => (await import('./contenders/level.js')).level,
  'level-groups': async () => (await import('./contenders/level-groups.js')).levelGroups,
  undici: async () => (await import('./contenders/undici.js')).undici,
};

const contender = CONTENDERS[process.argv[2] as ContenderName]();
// Told to who asks.
contender.catch(() => {});
const records = new Map<Content, readonly LogRecord[]>();

function recordsOf(content: Content): readonly LogRecord[] {
  const made = records.get(content) ?? makeRecords(RECORDS, content);
  records.set(content, made);
  return made;
}

async function answer(request: Request): Promise<Reply> {
  try {
    const measurement = await measure(await contender, recordsOf(request.job.content), request);
    return { is: 'measured', measurement };
  } catch (error) {
    return { is: 'failed', message: messageOf(error) };
  }
}

process.on('message', (request: Request) => {
  void answer(request).then((reply) => process.send?.(reply));
});
// The parent is done, or gone.
process.once('disconnect', () => process.exit());
