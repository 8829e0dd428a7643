// A Log on a temporary folder and a clock that the test moves, for tests of the log room below Wal.

import { join } from 'node:path';
import type { Clock } from '../../lib/clock.js';
import type { Entry } from '../../lib/log/entry.js';
import { decodeEntry } from '../../lib/log/entry.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { linesOf } from '../../lib/log/gzip.js';
import { sectionRange } from '../../lib/log/keyspace.js';
import { timesReplayed } from '../../lib/log/ledger.js';
import type { LogOptions } from '../../lib/log/log.js';
import { Log } from '../../lib/log/log.js';
import { rowsOf } from '../../lib/log/open.js';
import type { Acknowledgement } from '../../lib/log/operations.js';
import { acknowledge } from '../../lib/log/operations.js';
import { readAfter } from '../../lib/log/read.js';
import type { Store } from '../../lib/log/store.js';
import { openStore } from '../../lib/log/store.js';
import { withFolder } from './folder.js';
import { ManualClock } from './manual-clock.js';

export interface LogTestOptions extends Partial<LogOptions> {
  /** Cursors to begin with, as `<kind>/<shipper>`. Without any, what is appended is trimmed at once. @default ['log/default'] */
  cursors?: string[];
}

export interface OpenLog {
  /** What is open now: another one after `reopen`. */
  readonly log: Log;
  readonly dir: string;
  readonly clock: ManualClock;
  reopen: () => Promise<Log>;
  /** Closes the log, gives its database to `change`, and opens it again. */
  behindItsBack: (change: (store: Store) => Promise<void>) => Promise<Log>;
}

export async function withLog(
  options: LogTestOptions,
  use: (log: Log, opened: OpenLog) => Promise<void>,
): Promise<void> {
  const { cursors = ['log/default'], ...logOptions } = options;
  await withFolder(async (dir) => {
    const clock = new ManualClock();
    const open = () => openLog(dir, clock, logOptions);
    let log = await open();
    const opened: OpenLog = {
      get log() {
        return log;
      },
      dir,
      clock,
      reopen: async () => {
        await log.close();
        return (log = await open());
      },
      behindItsBack: async (change) => {
        await log.close();
        const store = await openStore(databaseFolder(dir), false);
        try {
          await change(store);
        } finally {
          await store.close();
        }
        return (log = await open());
      },
    };
    try {
      await log.addCursors(cursors.map((name) => name.split('/') as [kind: string, shipper: string]));
      await use(log, opened);
    } finally {
      await log.close();
    }
  });
}

/** The log of a folder that exists. */
export function openLog(dir: string, clock: Clock, options: Partial<LogOptions> = {}): Promise<Log> {
  return Log.open({
    dir,
    create: { service: 'test', instance: 'main' },
    clock,
    repairs: false,
    reserveBytes: 0,
    maxBytes: 268_435_456,
    onEvent: () => {},
    ...options,
  });
}

/** A store in a folder of its own. */
export async function withStore(use: (store: Store, dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'db');
    const store = await openStore(dir, true);
    try {
      await use(store, dir);
    } finally {
      await store.close();
    }
  });
}

/** Appends records in one commit; returns the first one's seq. */
export async function append(log: Log, kind: string, records: readonly object[]): Promise<number> {
  const jsons = records.map((record) => JSON.stringify(record));
  const bytes = jsons.reduce((sum, json) => sum + Buffer.byteLength(json), 0);
  const [place] = await log.append([{ kind, records: jsons }], bytes, 0);
  return place!.firstSeq;
}

/** Appends entries of so many records each, a commit an entry; each record says its seq. */
export async function appendEntries(log: Log, kind: string, counts: readonly number[]): Promise<void> {
  let seq = log.stream(kind).lastSeq;
  for (const count of counts) {
    await append(
      log,
      kind,
      Array.from({ length: count }, () => ({ n: ++seq })),
    );
  }
}

/** Every entry of a stream that is on disk and sound. */
export async function entriesOf(store: Store, kind: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const [key, value] of rowsOf(store, sectionRange('entry', kind))) {
    const entry = decodeEntry(kind, key, value);
    if (entry) entries.push(entry);
  }
  return entries;
}

/** The seqs of a stream that are on disk, by what its lines say. */
export async function seqsOnDisk(store: Store, kind: string): Promise<number[]> {
  const seqs: number[] = [];
  for (const entry of await entriesOf(store, kind)) {
    for (const line of String(await linesOf(entry)).split('\n')) {
      if (line !== '') seqs.push((JSON.parse(line) as { seq: number }).seq);
    }
  }
  return seqs;
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

/** A value with one bit changed. */
export function flipped(value: Buffer, bit: number): Buffer {
  const copy = Buffer.from(value);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** Reads what comes after a cursor and acknowledges it, as a shipper does. */
export async function deliver(
  log: Log,
  kind: string,
  shipper: string,
  recordsMax = 1_000_000,
): Promise<void> {
  const stream = log.stream(kind);
  const after = stream.cursors.get(shipper)!.seq;
  const bounds = { upTo: stream.lastSeq, recordsMax, lineBytesMax: 2 ** 30 };
  const { steps } = await readAfter(log.store, stream, after, bounds);
  const records = steps.filter((step) => step.is === 'records');
  const acknowledgement: Acknowledgement = {
    kind,
    shipper,
    after,
    to: steps.at(-1)!.to,
    delivered: records.reduce((sum, { from, to }) => sum + to - from + 1, 0),
    quarantined: [],
    entries: records.map(({ entry }) => entry),
    deletes: log.trimmer.deletesAtOnce(kind),
    at: log.clock.now(),
    replays: timesReplayed(stream.cursors.get(shipper)),
  };
  await log.change((draft) => acknowledge(draft, acknowledgement), records.length + 3);
}

/** Bytes of a stream's entries that are on disk, by a scan. */
export async function bytesOnDisk(store: Store, kind: string): Promise<number> {
  let bytes = 0;
  for await (const [key, value] of rowsOf(store, sectionRange('entry', kind)))
    bytes += key.length + value.length;
  return bytes;
}

/** Changes a bit of a stored value. */
export async function damage(store: Store, key: string, bit = 50): Promise<void> {
  const value = await store.get(key);
  await store.commit(new Map([[key, flipped(value!, bit % (value!.length * 8))]]));
}

/** A store with something in front of it, for tests that watch or come in between. */
export function storeWith(store: Store, inFront: Partial<Store>): Store {
  return {
    commit: (changes) => store.commit(changes),
    get: (...given) => store.get(...given),
    scan: (...given) => store.scan(...given),
    scanKeys: (...given) => store.scanKeys(...given),
    compact: (range) => store.compact(range),
    snapshot: () => store.snapshot(),
    close: () => store.close(),
    ...inFront,
  };
}
