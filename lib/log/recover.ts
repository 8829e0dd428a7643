// A database that is damaged: repaired in a copy, brought back to where all of its promises hold, and only then
// put in place of the old one, which stays beside it. Nothing is ever wiped, and whatever interrupts a repair,
// it either has not happened or is finished at the next open.
//
//   db.repair     a copy that is being repaired
//   db.repaired   one that is ready
//   db.aside      the database itself, out of the way while its files are changed
//   db.damaged-…  what was there before
//   db.guard      held by whoever works on any of these: guard.ts

import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import { databaseFolder, isFolder, syncFolder } from './folder.js';
import { holdGuard } from './guard.js';
import type { Condition } from './leveldb/inspect.js';
import { inspect } from './leveldb/inspect.js';
import { copyMended } from './leveldb/mend.js';
import { FORMAT, keys, unseal } from './keyspace.js';
import type { StreamMarks } from './mark.js';
import { readMark } from './mark.js';
import type { LogIdentity } from './open.js';
import { newId, readIdentity, writeIdentity } from './open.js';
import type { Loss, Reconciled } from './reconcile.js';
import { reconcile } from './reconcile.js';
import type { Store } from './store.js';
import { isDamage, isHeld, openStore, repairStore } from './store.js';

export interface RepairContext {
  readonly dir: string;
  /** Whose log it is, where the database does not say so any more. */
  readonly owner: { readonly service: string; readonly instance: string };
  readonly clock: Clock;
  /** Where the streams stand, where somebody knows better than the mark. */
  readonly marks?: StreamMarks;
}

export interface Repaired {
  /** Ranges that were given up. */
  readonly lost: readonly Loss[];
  /** What was wrong, what is gone, and where the old database is, for people. */
  readonly message: string;
}

/** What is wrong with a database. `misfit`: LevelDB can't open it. */
export type Damage = Omit<Condition & { is: 'damaged' }, 'is'>;

/** Damaged databases that are kept: the first one, from which all others were made, and the last ones. */
const COPIES_MAX = 3;
/** Times that somebody may leave something where a database is to be put. */
const PLACE_TRIES_MAX = 4;
/** Problems that a message names. */
const PROBLEMS_MAX = 5;

/** Whether a repair, or a change of its files, was interrupted: the database is then not what it seems to be. */
export async function isInterrupted(dir: string): Promise<boolean> {
  return (await isAside(dir)) || (await isInRepair(dir));
}

/** Whether a database is there, and open: here or in another process. */
export async function isHeldFolder(database: string): Promise<boolean> {
  return (await isFolder(database)) && (await isHeld(database));
}

async function isAside(dir: string): Promise<boolean> {
  return await isFolder(join(dir, 'db.aside'));
}

async function isInRepair(dir: string): Promise<boolean> {
  return (await isFolder(join(dir, 'db.repaired'))) || (await isFolder(join(dir, 'db.repair')));
}

/** Whether a log is in a folder: its database may be out of the way for a moment, or since a crash. */
export async function hasDatabase(dir: string): Promise<boolean> {
  return (await isFolder(databaseFolder(dir))) || (await isInterrupted(dir));
}

/**
 * Puts a database back that a crash has left aside: only a name changes, so that those may who never repair.
 *
 * @throws {WalError} `WAL_LOCKED`: somebody lives who works on it.
 */
export async function putBack(dir: string, clock: Clock): Promise<void> {
  if (!(await isAside(dir)) || (await isInRepair(dir))) return;
  const giveBack = await holdGuard(dir);
  try {
    if (await isHeldFolder(databaseFolder(dir))) throw heldError(dir);
    await bringBack(dir, clock);
  } finally {
    await giveBack();
  }
}

/**
 * Finishes a repair that was interrupted, and repairs what is damaged: what its files show, and what was `found`
 * by whoever had the database open.
 *
 * @throws {WalError} `WAL_LOCKED`: somebody has the database open, or repairs it. Whatever the disk says: then
 *   nothing has changed.
 */
export async function repair(context: RepairContext, found: Damage): Promise<Repaired> {
  const { dir } = context;
  const database = databaseFolder(dir);
  const giveBack = await holdGuard(dir);
  try {
    if (await isHeldFolder(database)) throw heldError(dir);
    await finish(dir, context.clock);
    const condition = await conditionOf(dir);
    const damage = condition.is === 'damaged' ? merged(condition, found) : found;
    if (damage.problems.length > 0) return await repairInCopy(context, damage);
    return { lost: [], message: `a repair of the database in ${dir} that was interrupted is finished` };
  } finally {
    await giveBack();
  }
}

/**
 * Changes files of a database that nobody has open, while the guard is held: out of the way of whoever wants to
 * open it, who then finds the guard. It must be one that can be opened at any moment, in case this is interrupted.
 *
 * @throws {WalError} `WAL_LOCKED`: somebody has opened it meanwhile; nothing has changed.
 */
export async function whileClosed(
  dir: string,
  clock: Clock,
  change: (database: string) => Promise<void>,
): Promise<void> {
  await finish(dir, clock);
  const aside = join(dir, 'db.aside');
  await rename(databaseFolder(dir), aside);
  try {
    // Who opens it looks for the folder aside once it is open: either is seen by the other.
    if (await isHeld(aside)) throw heldError(dir);
    await change(aside);
  } finally {
    await bringBack(dir, clock);
  }
}

/** How a log's database looks, from all of its bytes: gone, where only the mark is left of it. */
export async function conditionOf(dir: string, tableBytesMax = Infinity): Promise<Condition> {
  const database = databaseFolder(dir);
  const condition: Condition = (await isFolder(database))
    ? await inspect(database, tableBytesMax)
    : { is: 'absent' };
  if (condition.is !== 'absent' || !(await readMark(dir))) return condition;
  return { is: 'damaged', misfit: true, problems: ['all of the database is gone'] };
}

function merged(damage: Damage, found: Damage): Damage {
  return {
    misfit: damage.misfit || found.misfit,
    problems: [...new Set([...found.problems, ...damage.problems])],
  };
}

async function repairInCopy(context: RepairContext, damage: Damage): Promise<Repaired> {
  const { dir, clock } = context;
  const copy = join(dir, 'db.repair');
  let reconciled: Reconciled;
  try {
    reconciled = await repairCopy(context, copy, damage.misfit, false).catch(async (error: unknown) => {
      if (!isDamage(error)) throw error;
      return await repairCopy(context, copy, damage.misfit, true);
    });
    await syncFolder(copy);
    await rename(copy, join(dir, 'db.repaired'));
    await syncFolder(dir);
  } catch (error) {
    // A disk that is full needs its room back.
    await rm(copy, { recursive: true, force: true });
    throw error;
  }
  const kept = await finish(dir, clock);
  return { lost: reconciled.lost, message: messageFor(dir, damage, reconciled, kept) };
}

/** Makes and repairs the copy. `misfit`: LevelDB has to find out anew which files belong to it. `keysToo`: see `mendTable`. */
async function repairCopy(context: RepairContext, copy: string, misfit: boolean, keysToo: boolean) {
  const { dir, clock } = context;
  const database = databaseFolder(dir);
  await rm(copy, { recursive: true, force: true });
  const isThere = await isFolder(database);
  const fits = isThere
    ? await copyMended(database, copy, misfit, keysToo)
    : await mkdir(copy, { mode: 0o700 }).then(() => true);
  const rebuilt = isThere && (misfit || !fits);
  if (rebuilt) await repairStore(copy);
  let store: Store;
  try {
    store = await openStore(copy, !isThere);
  } catch (error) {
    if (rebuilt || !isDamage(error)) throw error;
    return await repairCopy(context, copy, true, keysToo);
  }
  try {
    // What `repair` brings back is in no order: until it is compacted, old values may hide newer ones.
    if (rebuilt) await store.compact({ gte: '!', lt: '"' });
    const identity = await identityOf(store, dir);
    const mark = await readMark(dir);
    // A mark of another log came with a copied folder and says nothing of this one.
    const marked = !identity || mark?.logId === identity.logId ? mark : undefined;
    const marks = context.marks ?? marked?.streams ?? {};
    const reconciled = await reconcile(store, { marks, resurrected: rebuilt, at: clock.now() });
    if (!identity) {
      const logId = marked?.logId ?? newId();
      await writeIdentity(store, { logId, ...context.owner, created: clock.now() });
    }
    return reconciled;
  } finally {
    await store.close();
    await rm(join(copy, 'lost'), { recursive: true, force: true });
  }
}

/** Whose log it is; `undefined` where the damage has taken that away. */
async function identityOf(store: Store, dir: string): Promise<LogIdentity | undefined> {
  const value = await store.get(keys.meta('format'));
  const format = value && unseal(keys.meta('format'), value);
  if (format !== undefined && format !== FORMAT) {
    throw new WalError(
      'WAL_CORRUPT',
      `the database in ${dir} is damaged, and of format ${JSON.stringify(format)}: open it with the version that wrote it first, this one repairs format ${FORMAT}`,
    );
  }
  try {
    return await readIdentity(store);
  } catch (error) {
    if (error instanceof WalError && error.code === 'WAL_CORRUPT') return undefined;
    throw error;
  }
}

/**
 * Puts the database that is aside in its place again. Whatever is there meanwhile is the beginning of somebody who
 * looked for a database and found none: also while it is held, because whoever holds it is about to leave.
 */
async function bringBack(dir: string, clock: Clock): Promise<void> {
  const aside = join(dir, 'db.aside');
  if (!(await isAside(dir))) return;
  await putInPlace(aside, dir, clock);
}

/** Somebody who looks for a database, and finds none, leaves the beginning of one: it goes out of the way. */
async function putInPlace(folder: string, dir: string, clock: Clock): Promise<void> {
  const database = databaseFolder(dir);
  for (let tries = 1; ; tries++) {
    try {
      await rename(folder, database);
      return await syncFolder(dir);
    } catch (error) {
      if (tries === PLACE_TRIES_MAX || !(await isFolder(database))) throw error;
    }
    await rename(database, await freeName(dir, clock.now()));
  }
}

/** Puts a repaired database in place. Returns where the one before it is now. Can be interrupted anywhere and called again. */
async function finish(dir: string, clock: Clock): Promise<string | undefined> {
  await bringBack(dir, clock);
  await rm(join(dir, 'db.repair'), { recursive: true, force: true });
  const repaired = join(dir, 'db.repaired');
  if (!(await isFolder(repaired))) return undefined;
  const database = databaseFolder(dir);
  let copy: string | undefined;
  if (await isFolder(database)) {
    copy = await freeName(dir, clock.now());
    await rename(database, copy);
    // Somebody may have opened it in the last moment: then it is theirs, and there was nothing to repair.
    if (await isHeld(copy)) {
      await rename(copy, database);
      await rm(repaired, { recursive: true, force: true });
      throw heldError(dir);
    }
  }
  await putInPlace(repaired, dir, clock);
  await forgetCopies(dir);
  return copy;
}

function heldError(dir: string): WalError {
  return new WalError('WAL_LOCKED', `${dir} is held by another process`);
}

async function freeName(dir: string, now: number): Promise<string> {
  for (let at = now; ; at++) {
    const path = join(dir, `db.damaged-${at}`);
    if (!(await isFolder(path))) return path;
  }
}

async function forgetCopies(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => /^db\.damaged-\d+$/.test(name));
  const byTime = names.toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  for (const name of byTime.slice(1, 1 - COPIES_MAX))
    await rm(join(dir, name), { recursive: true, force: true });
}

function messageFor(
  dir: string,
  damage: Damage,
  { lost, notes }: Reconciled,
  copy: string | undefined,
): string {
  const named = damage.problems.slice(0, PROBLEMS_MAX);
  const others = damage.problems.length - named.length;
  const problems = others > 0 ? [...named, `and ${others} more`] : named;
  const records = lost.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const kept = copy === undefined ? [] : [`what was there is kept in ${copy}`];
  const parts = [problems.join(', '), `${records} records are lost`, ...notes, ...kept];
  return `the database in ${dir} was damaged and is repaired: ${parts.join('; ')}`;
}

/** What an error of a read or a write says of a database that has to be repaired. */
export function damageOf(error: unknown): Damage | undefined {
  return isDamage(error) ? { misfit: false, problems: [messageOf(error)] } : undefined;
}
