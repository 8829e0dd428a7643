// Which instance's log a process takes, and how it gets hold of it: also from a sibling that has adopted it, and
// while one removes it. Only LevelDB's lock says that a log is held; a socket that answers says who to ask.

import { chmod, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.js';
import type { WalConfig } from '../config.js';
import { AUTO_INSTANCE, workerName } from '../config.js';
import { WalError } from '../errors.js';
import { isFolder, logFolder, makeFolder, syncFolder } from '../log/folder.js';
import type { Log } from '../log/log.js';
import { askHolder, isServed } from '../operate/ask.js';

export type TakeConfig = Pick<WalConfig, 'service' | 'instance' | 'preferredInstance' | 'varDir' | 'clock'>;

/** Opens the log in a folder that is there, or makes it. */
export type OpenLog = (dir: string, instance: string) => Promise<Log>;

/** Instances that `auto` looks at. */
const WORKERS_MAX = 256;
/** Tries to get a log from a holder that does not say whether it gives it back, and the wait between them, in ms. */
const TRIES_MAX = 20;
const TRY_MS = 100;

/**
 * The log of the instance that the options ask for.
 *
 * @throws {WalError} `WAL_LOCKED`: another process works with it; for `auto`, with all of them. What `open` throws.
 */
export async function takeLog(config: TakeConfig, open: OpenLog): Promise<Log> {
  const { service, instance, preferredInstance } = config;
  if (instance !== AUTO_INSTANCE) return await takeNamed(config, instance, open);
  if (preferredInstance !== undefined) {
    const log = await unlessLocked(takeNamed(config, preferredInstance, open));
    if (log) return log;
  }
  for (let n = 0; n < WORKERS_MAX; n++) {
    const name = workerName(n);
    // An attempt to open leaves traces in the folder of a log that is in use: so only where nobody answers.
    if (await isServed(logFolder(config.varDir, service, name))) continue;
    const log = await unlessLocked(openAnew(config, name, open));
    if (log) return log;
  }
  throw new WalError(
    'WAL_LOCKED',
    `${workerName(0)} to ${workerName(WORKERS_MAX - 1)} of ${service} are all in use; give this process an instance`,
  );
}

async function unlessLocked(taking: Promise<Log>): Promise<Log | undefined> {
  try {
    return await taking;
  } catch (error) {
    if (isLocked(error)) return undefined;
    throw error;
  }
}

/** One instance's log; where a sibling has adopted it, it is asked for it. */
async function takeNamed(config: TakeConfig, instance: string, open: OpenLog): Promise<Log> {
  const dir = logFolder(config.varDir, config.service, instance);
  for (let tries = 1; ; tries++) {
    try {
      return await openAnew(config, instance, open);
    } catch (error) {
      if (!isLocked(error) || tries === TRIES_MAX) throw error;
      const answer = await askForIt(dir);
      if (answer === 'refused') throw error;
      if (answer === 'given') continue;
      // Nobody to ask: whoever holds it is just opening or closing it, or looks whether it is held.
      await waitAlive(config.clock);
    }
  }
}

/** A clock's timers keep no process alive, and this one may have nothing else to do yet. */
async function waitAlive(clock: Clock): Promise<void> {
  const alive = setInterval(() => {}, 2 ** 30);
  await clock.sleep(TRY_MS);
  clearInterval(alive);
}

async function askForIt(dir: string): Promise<'given' | 'refused' | 'nobody'> {
  const answer = await askHolder(dir, 'POST', '/v1/release');
  if (answer.is === 'nobody') return 'nobody';
  return answer.is === 'answered' && answer.status === 200 ? 'given' : 'refused';
}

/** Makes the folder and opens the log in it, again where the folder was removed under its hands. */
async function openAnew({ service, varDir }: TakeConfig, instance: string, open: OpenLog): Promise<Log> {
  const dir = logFolder(varDir, service, instance);
  for (let tries = 1; ; tries++) {
    try {
      await makeFolder(varDir, dir);
      const made = await identityOf(dir);
      const log = await open(dir, instance);
      if ((await identityOf(dir)) !== made) await makePrivate(dir);
      return log;
    } catch (error) {
      const isSaid = error instanceof WalError && ['WAL_LOCKED', 'WAL_CONFIG'].includes(error.code);
      // Where it is gone, a sibling that had adopted and drained the log has removed it meanwhile.
      if (isSaid || (await isFolder(dir)) || tries === TRIES_MAX) throw error;
    }
  }
}

/** Tells one folder from another of the same name. An inode's number alone does not: it is soon given again. */
async function identityOf(dir: string): Promise<string | undefined> {
  try {
    const { ino, birthtimeNs } = await stat(dir, { bigint: true });
    return `${ino}:${birthtimeNs}`;
  } catch {
    return undefined;
  }
}

/** For a folder that LevelDB's binding made, because ours was gone: it knows neither modes nor fsync. */
async function makePrivate(dir: string): Promise<void> {
  await chmod(dir, 0o700);
  await syncFolder(dirname(dir));
}

function isLocked(error: unknown): boolean {
  return error instanceof WalError && error.code === 'WAL_LOCKED';
}
