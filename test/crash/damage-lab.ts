// A real log to be damaged, in several states, and what was promised of it: streams of every policy, cursors at
// different places, notices, quarantine, plain and deflated entries, compacted tables, and a live `.log`.

import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { WalOptions } from '../../lib/config.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { readMark } from '../../lib/log/mark.js';
import type { StreamStats } from '../../lib/stats.js';
import { Wal } from '../../lib/wal.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { until } from '../helpers/until.js';
import type { AnyWal } from '../helpers/wal.js';
import { Receiver } from './damage-receiver.js';

/** The cursors, as `<kind>/<shipper>`. */
export const CURSORS = [
  'log/default',
  'audit/default',
  'audit/siem',
  'kept/default',
  'done/default',
] as const;
export type CursorName = (typeof CURSORS)[number];

export const KINDS = ['log', 'audit', 'kept', 'done'] as const;
export type Kind = (typeof KINDS)[number];

export function damageOptions(varDir: string, others: Partial<WalOptions> = {}): WalOptions {
  return {
    service: 'lab',
    varDir,
    adopt: false,
    reserveBytes: 4096,
    maxAgeMs: 1e12,
    streams: {
      audit: { shippers: ['default', 'siem'] },
      kept: { whenFull: 'reject', keepDeliveredBytes: 65_536 },
      done: { whenFull: 'reject' },
    },
    ...others,
  };
}

/** What was promised when a picture of the log was taken. */
export interface Facts {
  readonly logId: string;
  /** By kind, then seq: the record's id and JSON. */
  readonly records: ReadonlyMap<Kind, ReadonlyMap<number, { id: string; json: string }>>;
  readonly receivers: ReadonlyMap<CursorName, Receiver>;
  readonly streams: Readonly<Record<string, StreamStats>>;
}

/** A picture of a log's folder, and its facts. */
export interface Picture {
  readonly dir: string;
  readonly facts: Facts;
}

export interface Pictures {
  /** As a crash leaves it. */
  readonly crashed: Picture;
  /** As a crash leaves it while an iterator was open all along: with every table that there ever was. */
  readonly pinned: Picture;
  readonly closed: Picture;
}

export class DamageLab {
  readonly #root: string;
  readonly #varDir: string;
  readonly clock = new ManualClock();
  readonly #records = new Map<Kind, Map<number, { id: string; json: string }>>(
    KINDS.map((kind) => [kind, new Map()]),
  );
  readonly #receivers = new Map(CURSORS.map((name) => [name, new Receiver()]));
  readonly #tables: string;
  #wal: AnyWal | undefined;
  #appended = 0;
  #pictures = 0;

  constructor(root: string) {
    this.#root = root;
    this.#varDir = join(root, 'var');
    this.#tables = join(root, 'tables');
  }

  get wal(): AnyWal {
    return this.#wal!;
  }

  get dir(): string {
    return this.wal.dir;
  }

  async open(): Promise<void> {
    await mkdir(this.#varDir, { recursive: true });
    const options = damageOptions(this.#varDir, { clock: this.clock });
    this.#wal = await Wal.open<Record<string, object>>(options);
  }

  async close(): Promise<void> {
    await this.#wal?.close();
  }

  async reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  /** Appends records: one commit each, or all in one. */
  async append(kind: Kind, count: number, together = false): Promise<void> {
    const records = Array.from({ length: count }, () => recordOf(++this.#appended));
    const places = together
      ? await this.wal.appendMany(kind, records)
      : await Promise.all(records.map((record) => this.wal.append(kind, record)));
    for (const [n, { id, seq }] of places.entries()) {
      this.#records.get(kind)!.set(seq, { id, json: JSON.stringify(records[n]) });
    }
  }

  /** One commit after another: each is a frame of its own in the `.log`. */
  async appendSlowly(kind: Kind, count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.append(kind, 1);
  }

  /** Delivers up to a seq, `refused` ones excepted. */
  async ship(cursor: CursorName, upTo: number, refused: readonly number[] = []): Promise<void> {
    const [kind, name] = cursor.split('/') as [Kind, string];
    const sink = this.#receivers.get(cursor)!.sink({ upTo, refused });
    const shipper = this.wal.ship(kind, sink, { name, lingerMs: 0, batchMax: 5 });
    await until(() => (this.wal.stats().streams[kind]?.shippers[name]?.seq ?? 0) >= upTo);
    await shipper.stop();
  }

  /** What a copy of the folder holds at this moment. */
  async picture(): Promise<Picture> {
    const { streams, logId } = this.wal.stats();
    await this.#markIsCurrent(streams);
    return await this.#picture({ logId, streams });
  }

  /** Closes the log: see `picture`. */
  async closedPicture(): Promise<Picture> {
    const { streams, logId } = this.wal.stats();
    await this.close();
    return await this.#picture({ logId, streams });
  }

  /** Keeps the tables that are there now for `pinned`: LevelDB deletes none that an iterator may read. */
  async keepTables(): Promise<void> {
    await mkdir(this.#tables, { recursive: true });
    for (const name of await databaseFiles(this.dir, /\.ldb$/)) {
      await copyFile(join(this.dir, name), join(this.#tables, basename(name)));
    }
  }

  /** The picture with every table that was kept. */
  async pinned({ dir, facts }: Picture): Promise<Picture> {
    const pinned = join(this.#root, `picture-${++this.#pictures}`);
    await copyLog(dir, pinned);
    for (const name of await readdir(this.#tables)) {
      const to = join(databaseFolder(pinned), name);
      if (!existsSync(to)) await copyFile(join(this.#tables, name), to);
    }
    return { dir: pinned, facts };
  }

  async #picture(known: Pick<Facts, 'logId' | 'streams'>): Promise<Picture> {
    const dir = join(this.#root, `picture-${++this.#pictures}`);
    await copyLog(this.dir, dir);
    const records = new Map([...this.#records].map(([kind, bySeq]) => [kind, new Map(bySeq)]));
    const receivers = new Map([...this.#receivers].map(([name, receiver]) => [name, receiver.copy()]));
    return { dir, facts: { ...known, records, receivers } };
  }

  /** The mark is written 100 ms after it was last, and the clock stands still. */
  async #markIsCurrent(streams: Facts['streams']): Promise<void> {
    const isMarked = async () => {
      const mark = await readMark(this.dir);
      return Object.entries(streams).every(([kind, { lastSeq, shippers }]) => {
        const marked = mark?.streams[kind];
        const at = ([name, { seq, dropped }]: [string, { seq: number; dropped: number }]) =>
          marked?.cursors[name]?.seq === seq && marked.cursors[name].dropped === dropped;
        return marked?.lastSeq === lastSeq && Object.entries(shippers).every(at);
      });
    };
    while (!(await isMarked())) {
      this.clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Copies a log's folder; not LevelDB's lock, which is not to be touched, nor what is no file. */
export async function copyLog(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyLog(source, target);
    else if (entry.isFile() && entry.name !== 'LOCK') await copyFile(source, target);
  }
}

/** Files of the database that match, by name. */
export async function databaseFiles(dir: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(databaseFolder(dir));
  return names.filter((name) => pattern.test(name)).map((name) => join('db', name));
}

/** Half of it can't be deflated, as in real logs. */
function recordOf(n: number): object {
  const noise = createHash('sha512').update(String(n)).digest('hex');
  return {
    n,
    text: noise.slice(0, 20 + (n % 100)),
    at: new Date(1_767_225_600_000 + n * 1009).toISOString(),
  };
}

/** Every state there is: what was delivered, dropped and refused lies in two tables, what came last in the `.log`. */
export async function buildLog(lab: DamageLab): Promise<Pictures> {
  await lab.open();
  await lab.appendSlowly('audit', 60);
  await lab.append('audit', 300, true);
  for (let n = 0; n < 20; n++) await lab.append('log', 20, true);
  await lab.append('kept', 220, true);
  await lab.append('done', 30);
  await lab.reopen();
  await lab.keepTables();
  await lab.ship('audit/default', 200, [41, 42, 77]);
  await lab.ship('audit/siem', 35);
  await lab.ship('log/default', 100);
  await lab.ship('kept/default', 150);
  await lab.ship('done/default', 30);
  await lab.wal.evict({ kind: 'log', maxBytes: 40_000 });
  await lab.reopen();
  await lab.keepTables();
  await lab.wal.compact();
  await lab.appendSlowly('audit', 40);
  await lab.append('log', 150, true);
  await lab.ship('audit/siem', 50);
  await lab.reopen();
  await lab.keepTables();
  await lab.appendSlowly('log', 30);
  await lab.append('kept', 20);
  await lab.ship('audit/siem', 60);
  await lab.append('log', 150, true);
  await lab.ship('kept/default', 170);
  await lab.ship('audit/default', 230);
  await lab.wal.evict({ kind: 'log', maxBytes: 40_000 });
  await lab.appendSlowly('audit', 10);
  const crashed = await lab.picture();
  const pinned = await lab.pinned(crashed);
  return { crashed, pinned, closed: await lab.closedPicture() };
}

/** Built once for all the tests of a file: nobody changes a picture. */
let built: Promise<Pictures> | undefined;

/** Pictures of a log with all of that, gone when the process ends. */
export async function withPictures(use: (pictures: Pictures) => Promise<void>): Promise<void> {
  built ??= (async () => {
    const root = await mkdtemp(join(fastFolder(), 'nv-wal-'));
    process.once('exit', () => rmSync(root, { recursive: true, force: true }));
    return await buildLog(new DamageLab(root));
  })();
  await use(await built);
}

/** In memory where there is such a place: what is synced in these tests is worth nothing. */
export function fastFolder(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}
