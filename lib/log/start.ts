// From a folder to an open database of a known state: the lock, whose log it is, what is damaged. Runs once,
// before anything else of the log exists.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import { databaseFolder, holdsData, isFolder, readOwner, syncFolder } from './folder.js';
import { readMark } from './mark.js';
import type { LogIdentity } from './open.js';
import { loadStreams, newId, readIdentity, writeIdentity } from './open.js';
import type { Damage } from './read.js';
import { readAfter } from './read.js';
import type { Loss } from './recover.js';
import { isDamage, reconcile, repair } from './recover.js';
import { lastSeqWithin } from './seek.js';
import type { StreamState } from './state.js';
import type { Store } from './store.js';
import { openStore } from './store.js';

export interface StartOptions {
  /** The log's folder; it must exist, `db/` in it is made where `create` says whose log it is. */
  readonly dir: string;
  readonly create?: { readonly service: string; readonly instance: string };
  /** Whether damage is repaired, or the open fails. Tools that only look in never repair. */
  readonly repairs: boolean;
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
}

/**
 * @throws {WalError} `WAL_LOCKED` with the pid that holds it, `WAL_IO`, `WAL_CORRUPT`, `WAL_FORMAT_TOO_NEW`,
 *   `WAL_CONFIG`: no log is there and none is to be made, or it is another service's.
 */
export async function startLog(options: StartOptions): Promise<Started> {
  const { dir, create, repairs, clock } = options;
  const database = databaseFolder(dir);
  const isNew = !(await isFolder(database));
  if (isNew && !create) throw new WalError('WAL_CONFIG', `no log in ${dir}`);
  let copy: string | undefined;
  // Where CURRENT is missing, LevelDB would make a new database over the old one, and delete that.
  const mayCreate = create !== undefined && (isNew || !(await holdsData(database)));
  const opened = await openOrExplain(dir, mayCreate).catch(async (error: unknown) => {
    if (isNew || !repairs || !isRepairable(error)) throw error;
    const repaired = await repair(dir, clock);
    copy = repaired.copy;
    return repaired.store;
  });
  try {
    if (isNew) for (const path of [database, dir]) await syncFolder(path);
    const found = await identify(opened, options);
    checkOwnership(found.identity, options);
    const marked = await lastSeqsMarked(dir, found.identity.logId);
    const loaded =
      copy === undefined && !found.renewed ? await loadUnlessDamaged(opened, repairs) : undefined;
    if (loaded) {
      takeMark(loaded, marked);
      return { store: opened, identity: found.identity, streams: loaded, lost: [], recovered: undefined };
    }
    const lost = await reconcile(opened, marked, clock);
    const kept = copy === undefined ? '' : `; what was there is kept in ${copy}`;
    return {
      store: opened,
      identity: found.identity,
      streams: await loadStreams(opened),
      lost,
      recovered: `the database in ${dir} was damaged and is repaired${kept}`,
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openOrExplain(dir: string, create: boolean): Promise<Store> {
  try {
    return await openStore(databaseFolder(dir), create);
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== 'WAL_LOCKED') throw error;
    const owner = await readOwner(dir);
    const holder = owner ? `process ${owner.pid}` : 'another process';
    throw new WalError('WAL_LOCKED', `${dir} is held by ${holder}; stop it, or take another instance`, {
      cause: error,
    });
  }
}

function isRepairable(error: unknown): boolean {
  return error instanceof WalError && error.code === 'WAL_IO' && isDamage(error.message);
}

/** Whose log it is; made where the database is new, and made again where only damage can have taken it away. */
async function identify(
  store: Store,
  options: StartOptions,
): Promise<{ identity: LogIdentity; renewed: boolean }> {
  const { dir, create, repairs, clock } = options;
  let renewed = false;
  try {
    const identity = await readIdentity(store);
    if (identity) return { identity, renewed };
    renewed = (await store.scanKeys({ gte: '!', lt: '"' }, 1)).length > 0;
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== 'WAL_CORRUPT') throw error;
    renewed = true;
    if (!repairs) throw error;
  }
  if (!create || (renewed && !repairs)) {
    throw new WalError('WAL_CORRUPT', `${dir} holds a database, but it does not say whose log it is`);
  }
  const logId = (renewed ? (await readMark(dir))?.logId : undefined) ?? newId();
  return { identity: await makeIdentity(store, dir, { logId, ...create, created: clock.now() }), renewed };
}

/** The streams; `undefined` where small values are damaged and may be repaired. */
async function loadUnlessDamaged(
  store: Store,
  repairs: boolean,
): Promise<Map<string, StreamState> | undefined> {
  try {
    return await loadStreams(store);
  } catch (error) {
    if (repairs && error instanceof WalError && error.code === 'WAL_CORRUPT') return undefined;
    throw error;
  }
}

async function lastSeqsMarked(dir: string, logId: string): Promise<Readonly<Record<string, number>>> {
  const mark = await readMark(dir);
  // A mark of another log came with a copied folder and says nothing of this one.
  return mark?.logId === logId ? mark.lastSeqs : {};
}

/** What the mark knows to have been given was given: numbering goes on behind it, and the check of the tail finds the hole. */
function takeMark(streams: Map<string, StreamState>, marked: Readonly<Record<string, number>>): void {
  for (const stream of streams.values()) {
    stream.lastSeq = Math.max(stream.lastSeq, marked[stream.kind] ?? 0);
  }
}

/** Twice LevelDB's write buffer: what its last log files can hold. */
const TAIL_BYTES = 8 * 1_048_576;

/** What is missing at the end of a stream. */
export async function findTailDamage(store: Store, stream: Readonly<StreamState>): Promise<Damage[]> {
  const from = await lastSeqWithin(
    store,
    stream,
    (entry) => entry.offset + entry.size <= stream.endOffset - TAIL_BYTES,
  );
  const found: Damage[] = [];
  for (let after = from; after < stream.lastSeq;) {
    const bounds = { upTo: stream.lastSeq, recordsMax: 10_000, lineBytesMax: 4 * 1_048_576 };
    const { steps } = await readAfter(store, stream, after, { ...bounds, rows: 1000 });
    for (const step of steps) if (step.is === 'damage') found.push(step.damage);
    after = steps.at(-1)?.to ?? stream.lastSeq;
  }
  return found;
}

async function makeIdentity(store: Store, dir: string, identity: LogIdentity): Promise<LogIdentity> {
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
