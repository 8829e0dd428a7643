// From a folder to an open database of a known state: the lock, whose log it is, what is damaged. Runs once,
// before anything else of the log exists.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import { databaseFolder, isFolder, readOwner, syncFolder } from './folder.js';
import { holdGuard } from './guard.js';
import { entriesUpTo } from './keyspace.js';
import type { Condition } from './leveldb/inspect.js';
import { isEmpty } from './leveldb/inspect.js';
import { makeRoom } from './leveldb/room.js';
import type { StreamMarks } from './mark.js';
import { isBefore } from './ledger.js';
import { readMark } from './mark.js';
import type { FormatStep, Migration } from './migrate.js';
import { migrate } from './migrate.js';
import type { LogIdentity } from './open.js';
import { loadStreams, newId, readIdentity, writeIdentity } from './open.js';
import type { Loss } from './reconcile.js';
import type { Damage, Repaired } from './recover.js';
import {
  conditionOf,
  damageOf,
  hasDatabase,
  isHeldFolder,
  isInterrupted,
  putBack,
  repair,
  whileClosed,
} from './recover.js';
import { Reserve, isDiskFull } from './reserve.js';
import type { StreamState } from './state.js';
import type { Store } from './store.js';
import { isCorruption, openStore } from './store.js';
import { isUnclean, setUnclean } from './unclean.js';

export interface StartOptions {
  /** The log's folder; it must exist, `db/` in it is made where `create` says whose log it is. */
  readonly dir: string;
  readonly create?: { readonly service: string; readonly instance: string };
  /** Whether damage is repaired, or the open fails. Tools that only look in never repair. */
  readonly repairs: boolean;
  /** Steps to this version's format; absent: an older one is refused. Tools that only look in never migrate. */
  readonly steps?: readonly FormatStep[];
  readonly clock: Clock;
}

export interface Started {
  readonly store: Store;
  readonly identity: LogIdentity;
  readonly streams: Map<string, StreamState>;
  /** Ranges that repairing gave up. */
  readonly lost: readonly Loss[];
  /** What was repaired, for people. */
  readonly recovered: string | undefined;
  readonly migrated: Migration | undefined;
  /** The disk was full: the reserve was given up to get here. */
  readonly full: boolean;
}

/** Bytes of tables that are checked at every open: what takes some ten milliseconds. More, only after an unclean end. */
const CHECKED_BYTES_MAX = 8 * 1_048_576;
/** Opens after a repair: the files, and then what is in them. */
const REPAIRS_MAX = 3;

/**
 * @throws {WalError} `WAL_LOCKED` with the pid that holds it; `WAL_FULL` where a full disk does not even let it be
 *   opened; `WAL_IO`, `WAL_FORMAT_TOO_NEW`; `WAL_CORRUPT` where it is damaged and not to be repaired; `WAL_CONFIG`:
 *   no log is there and none is to be made, or it is another service's.
 */
export async function startLog(options: StartOptions): Promise<Started> {
  const room = new Room(options);
  const repairs: Repaired[] = [];
  let found = await lookAtFiles(options);
  for (;;) {
    if (found) repairs.push(await room.for(() => repairOrRefuse(options, found!, repairs.length)));
    const opened = await room.for(() => openAndLook(options));
    if (!('problems' in opened)) {
      return {
        ...opened,
        lost: repairs.flatMap(({ lost }) => lost),
        recovered: repairs.length > 0 ? repairs.map(({ message }) => message).join('; ') : undefined,
        full: room.given,
      };
    }
    found = opened;
  }
}

/** The open database and what is in it, or what is wrong with that; then it is closed again. */
async function openAndLook(
  options: StartOptions,
): Promise<Pick<Started, 'store' | 'identity' | 'streams' | 'migrated'> | Damage> {
  let store: Store;
  try {
    store = await open(options);
  } catch (error) {
    // What its files do not show. Anything else may be nothing of the database's own.
    if (!isCorruption(error)) throw error;
    return { misfit: false, problems: [messageOf(error)] };
  }
  try {
    const migrated = await migrate(store, options.dir, options);
    const found = await lookInside(store, options);
    if (!('problems' in found)) return { store, ...found, migrated };
    await store.close();
    return found;
  } catch (error) {
    await store.close();
    const damage = damageOf(error);
    if (!damage) throw error;
    return damage;
  }
}

/** What a full disk leaves to do, once each: give up the reserve, and what the database holds of dead entries. */
class Room {
  readonly #options: StartOptions;
  readonly #reserve: Reserve;
  readonly #left: (() => Promise<boolean>)[];
  /** Something of it was done. */
  given = false;

  constructor(options: StartOptions) {
    this.#options = options;
    this.#reserve = new Reserve(options.dir, 0);
    this.#left = [() => this.#reserve.release(), () => this.#dropDead()];
  }

  async for<T>(use: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await use();
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        if (!(await this.#make())) throw fullError(this.#options.dir, error);
        this.given = true;
      }
    }
  }

  async #make(): Promise<boolean> {
    for (let make = this.#left.shift(); make; make = this.#left.shift()) {
      try {
        if (await make()) return true;
      } catch (error) {
        // It needs a little room itself.
        if (!isDiskFull(error)) throw error;
      }
    }
    return false;
  }

  /** The last process may have ended while it made room: what it deleted is still in the tables. */
  async #dropDead(): Promise<boolean> {
    const { dir, repairs, clock } = this.#options;
    if (!repairs || !(await isFolder(databaseFolder(dir)))) return false;
    const marks = Object.entries((await readMark(dir))?.streams ?? {});
    const dead = marks.map(([kind, { head }]) => entriesUpTo(kind, head.seq));
    await this.#reserve.releaseLast();
    const giveBack = await holdGuard(dir);
    try {
      await whileClosed(dir, clock, (database) => makeRoom(database, dead));
    } finally {
      await giveBack();
    }
    return true;
  }
}

function fullError(dir: string, cause: unknown): WalError {
  return new WalError(
    'WAL_FULL',
    `the disk is too full to open ${dir}, and there is no reserve left to give up: make some 32 MiB of room on it and start again; nothing is lost meanwhile (${messageOf(cause)})`,
    { cause },
  );
}

/** What is wrong with the database, by its files. They are looked at before LevelDB is: it deletes what it does not know. */
async function lookAtFiles(options: StartOptions): Promise<Damage | undefined> {
  const { dir, create } = options;
  if (!create && !(await hasDatabase(dir))) throw new WalError('WAL_CONFIG', `no log in ${dir}`);
  const condition = await conditionOfClosed(options);
  // An empty folder is none, and must not become one.
  if (condition.is === 'absent' && !create) throw new WalError('WAL_CONFIG', `no log in ${dir}`);
  return condition.is === 'damaged' ? condition : undefined;
}

async function conditionOfClosed({ dir, repairs, clock }: StartOptions): Promise<Condition> {
  const database = databaseFolder(dir);
  try {
    if (!repairs) await putBack(dir, clock);
    if (await isInterrupted(dir)) return { is: 'damaged', misfit: false, problems: [] };
    const unclean = await isUnclean(dir);
    // Whoever works with it changes its files: they can't be looked at then.
    if (unclean && (await isHeldFolder(database))) throw new WalError('WAL_LOCKED', `${dir} is held`);
    return await conditionOf(dir, unclean ? Infinity : CHECKED_BYTES_MAX);
  } catch (error) {
    if (await isOthersWork(error, database)) throw await lockedError(dir, error);
    throw new WalError('WAL_IO', `can't read ${database}: ${messageOf(error)}`, { cause: error });
  }
}

async function repairOrRefuse(options: StartOptions, found: Damage, repaired: number): Promise<Repaired> {
  const { dir, create, repairs, clock } = options;
  const problems = found.problems.join(', ') || 'a repair was interrupted';
  if (!repairs || !create) {
    throw new WalError(
      'WAL_CORRUPT',
      `the database in ${dir} is damaged (${problems}); its service repairs it when it opens it, nothing was changed`,
    );
  }
  if (repaired === REPAIRS_MAX) {
    throw new WalError('WAL_CORRUPT', `the database in ${dir} is damaged after it was repaired: ${problems}`);
  }
  try {
    return await repair({ dir, owner: create, clock }, found);
  } catch (error) {
    if (!(error instanceof WalError)) {
      throw new WalError('WAL_IO', `can't repair the database in ${dir}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    throw error.code === 'WAL_LOCKED' ? await lockedError(dir, error) : error;
  }
}

async function open({ dir, create }: StartOptions): Promise<Store> {
  const database = databaseFolder(dir);
  try {
    const fresh = await isNew(dir);
    await setUnclean(dir);
    const store = await openStore(database, fresh && create !== undefined);
    // Not before it is open: whoever put the database aside meanwhile has seen this, or is seen here.
    if (await isInterrupted(dir)) {
      await store.close();
      throw new WalError('WAL_LOCKED', `${dir} is being worked on`);
    }
    if (fresh) await syncFolder(dir);
    return store;
  } catch (error) {
    throw (await isOthersWork(error, database)) ? await lockedError(dir, error) : error;
  }
}

/** Whether a log has no database yet: nothing of one is there, and no mark says that one was. */
async function isNew(dir: string): Promise<boolean> {
  const database = databaseFolder(dir);
  if ((await isFolder(database)) && !(await isEmpty(database))) return false;
  return (await readMark(dir)) === undefined;
}

/** Whether an error comes of somebody else who has the database open: files come and go then while they are looked at. */
async function isOthersWork(error: unknown, database: string): Promise<boolean> {
  if (error instanceof WalError) return error.code === 'WAL_LOCKED';
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true;
  return await isHeldFolder(database);
}

async function lockedError(dir: string, cause: unknown): Promise<WalError> {
  const owner = await readOwner(dir);
  const holder = owner ? `process ${owner.pid}` : 'another process';
  return new WalError('WAL_LOCKED', `${dir} is held by ${holder}; stop it, or take another instance`, {
    cause,
  });
}

/** Whose log it is and where its streams stand, or what is wrong with that. */
async function lookInside(
  store: Store,
  options: StartOptions,
): Promise<Pick<Started, 'identity' | 'streams'> | Damage> {
  const { dir, create, repairs } = options;
  try {
    const identity = (await readIdentity(store)) ?? (await makeIdentity(store, options));
    if (!identity) return { misfit: false, problems: ['it does not say whose log it is'] };
    checkOwnership(identity, options);
    const streams = await loadStreams(store);
    const mark = await readMark(dir);
    // A mark of another log came with a copied folder and says nothing of this one.
    const marks = mark?.logId === identity.logId ? mark.streams : {};
    const problems = missing(streams, marks);
    if (problems.length > 0 && repairs && create) return { misfit: false, problems };
    takeMarks(streams, marks);
    return { identity, streams };
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== 'WAL_CORRUPT') throw error;
    return damageOf(error) ?? { misfit: false, problems: [error.message] };
  }
}

/** For a database that is new; `undefined` where one is there, and where none is to be made. */
async function makeIdentity(
  store: Store,
  { dir, create, clock }: StartOptions,
): Promise<LogIdentity | undefined> {
  if (!create || (await store.scanKeys({ gte: '!', lt: '"' }, 1)).length > 0) return undefined;
  // With a mark beside it, an empty database is no new one: LevelDB has dropped the whole of its log file without a word.
  if (await readMark(dir)) return undefined;
  const identity = { logId: newId(), ...create, created: clock.now() };
  try {
    await writeIdentity(store, identity);
  } catch (cause) {
    throw new WalError('WAL_IO', `can't write to ${dir}: ${messageOf(cause)}`, { cause });
  }
  return identity;
}

function checkOwnership({ service, instance }: LogIdentity, { dir, create }: StartOptions): void {
  if (create && (create.service !== service || create.instance !== instance)) {
    throw new WalError(
      'WAL_CONFIG',
      `${dir} holds the log of ${service}/${instance}, not of ${create.service}/${create.instance}`,
    );
  }
}

/** What the mark knows to have been durable and the database does not have: LevelDB drops the end of a cut file without a word. */
function missing(streams: ReadonlyMap<string, StreamState>, marks: StreamMarks): string[] {
  const problems: string[] = [];
  for (const [kind, mark] of Object.entries(marks)) {
    const stream = streams.get(kind);
    const lastSeq = stream?.lastSeq ?? 0;
    if (lastSeq < mark.lastSeq) problems.push(`'${kind}' ends at ${lastSeq} instead of ${mark.lastSeq}`);
    for (const [name, marked] of Object.entries(mark.cursors)) {
      const cursor = stream?.cursors.get(name);
      if (isBefore(cursor, marked))
        problems.push(`${name} of '${kind}' stands at ${cursor?.seq ?? 0} instead of ${marked.seq}`);
    }
    const head = stream?.head.seq ?? 0;
    if (head < mark.head.seq) problems.push(`'${kind}' begins behind ${head} instead of ${mark.head.seq}`);
  }
  return problems;
}

/** What the mark knows to have been given was given: numbering goes on behind it, and the check of the tail finds the hole. */
function takeMarks(streams: ReadonlyMap<string, StreamState>, marks: StreamMarks): void {
  for (const stream of streams.values()) {
    stream.lastSeq = Math.max(stream.lastSeq, marks[stream.kind]?.lastSeq ?? 0);
  }
}
