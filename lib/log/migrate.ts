// Brings a database of an older format to this version's. Runs under LevelDB's lock, before anything of the log
// but its format is read. Knows no format: the steps do (migrations/).

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import { pruneCopies, setAside } from './aside.js';
import { FORMAT, keys, seal, unseal } from './keyspace.js';
import type { Changes, Store } from './store.js';

/**
 * One step from a format to the next.
 *
 * A crash may come between any two commits, and the step is then run again from its beginning on what it finds.
 * So it must get to the same result from any of its own states: it converts what is not converted yet, and
 * leaves alone what is. What it yields is on disk, in one commit, when it is asked for more; a commit should
 * hold at most 4 MiB and 5,000 keys. The runner writes the format; a step never does.
 */
export interface FormatStep {
  /** The format that it makes of the one before: an integer, one more than the step before. */
  readonly to: number;
  changes(store: StoreView): AsyncIterable<Changes>;
}

/** What a step may do with the database by itself. */
export type StoreView = Pick<Store, 'get' | 'scan' | 'scanKeys'>;

export interface MigrateOptions {
  /** Absent where an older format is not to be touched: by tools that only look in. */
  readonly steps?: readonly FormatStep[];
  readonly clock: Clock;
  /** The format to get to. @default this version's */
  readonly format?: number;
}

export interface Migration {
  readonly from: number;
  readonly to: number;
  /** The folder that holds what was there before. */
  readonly copy: string;
}

/**
 * Runs the steps that are missing; `undefined` where none is, or where the database is new or does not say what
 * it is. What was there is set aside first. Can be interrupted anywhere and called again.
 *
 * From the first commit to the last, the format is half a step up: an older version refuses that as too new, and
 * the next run knows that what was there before is set aside already.
 *
 * @throws {WalError} `WAL_FORMAT_TOO_NEW`; `WAL_CONFIG` where there are no steps, or none from this format;
 *   `WAL_IO`.
 */
export async function migrate(
  store: Store,
  dir: string,
  options: MigrateOptions,
): Promise<Migration | undefined> {
  const { steps, clock, format = FORMAT } = options;
  const found = await readFormat(store);
  if (found === undefined || found === format) return undefined;
  if (found > format) {
    throw new WalError(
      'WAL_FORMAT_TOO_NEW',
      `the log in ${dir} has format ${found}, this version knows up to ${format}; update @nv/wal`,
    );
  }
  const from = Math.floor(found);
  const missing = stepsBetween(steps, from, format, dir);
  try {
    const copy = await setAside(dir, from, { again: !Number.isInteger(found), clock });
    for (const step of missing) await run(store, step, step.to === format ? format : step.to + 0.5);
    await pruneCopies(dir, copy);
    return { from, to: format, copy };
  } catch (cause) {
    if (cause instanceof WalError) throw cause;
    throw new WalError('WAL_IO', `can't bring ${dir} to format ${format}: ${messageOf(cause)}`, { cause });
  }
}

/** The format of a database; `undefined` where none is there, or where it can't be read and is to be repaired. */
async function readFormat(store: Store): Promise<number | undefined> {
  const key = keys.meta('format');
  const value = await store.get(key);
  const format = value && unseal(key, value);
  return typeof format === 'number' ? format : undefined;
}

function stepsBetween(
  steps: readonly FormatStep[] | undefined,
  from: number,
  to: number,
  dir: string,
): FormatStep[] {
  if (!steps) {
    throw new WalError(
      'WAL_CONFIG',
      `the log in ${dir} has format ${from}, this version works with ${to}; its service brings it there when it opens it, or: nv-wal migrate --dir ${dir}`,
    );
  }
  const missing = steps.filter((step) => step.to > from && step.to <= to);
  if (missing.length === to - from && missing.every((step, n) => step.to === from + n + 1)) return missing;
  throw new WalError(
    'WAL_CONFIG',
    `the log in ${dir} has format ${from}, and this version has no way from there to ${to}; ship what is in it with the version that wrote it`,
  );
}

async function run(store: Store, step: FormatStep, formatAfter: number): Promise<void> {
  for await (const changes of step.changes(store)) {
    await store.commit(withFormat(changes, step.to - 0.5));
  }
  await store.commit(withFormat(new Map(), formatAfter));
}

function withFormat(changes: Changes, format: number): Changes {
  const key = keys.meta('format');
  return new Map([...changes, [key, seal(key, format)]]);
}
