// Opens the log that a command is about, if whoever runs it may.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Wal, walOptionsFromEnv } from '../index.js';
import type { WalOptions } from '../index.js';
import { Failure, asUsage, isCode } from './errors.js';
import type { LogAddress, LogPlace } from './options.js';
import { placeOf } from './options.js';

export type OpenLog = Wal<Record<string, object>>;

type FolderOptions = NonNullable<Parameters<typeof Wal.openFolder>[1]>;

/**
 * Opens the log at an address. It must exist: a tool that makes one where none is would hide a mistyped name.
 *
 * @throws {UsageError | Failure | WalError}
 */
export async function openLog(address: LogAddress, options: FolderOptions = {}): Promise<OpenLog> {
  return await openPlace(placeOf(address), options);
}

export async function openPlace(place: LogPlace, options: FolderOptions = {}): Promise<OpenLog> {
  // Not how much it may hold: whoever looks into a log with another service's environment must delete nothing.
  const { batchMax } = boundsFromEnv();
  await checkOwner(place.dir);
  const wal = await Wal.openFolder(place.dir, { ...(batchMax !== undefined && { batchMax }), ...options });
  const { service, instance } = wal.stats();
  const { under } = place;
  if (under && (under.service !== service || under.instance !== instance)) {
    await wal.close();
    throw new Failure(
      `${place.dir} holds the log of ${service}/${instance}, not of ${under.service}/${under.instance}`,
    );
  }
  return wal;
}

/** Whether a log is at a place. */
export async function isLog({ dir }: LogPlace): Promise<boolean> {
  return (await statOf(join(dir, 'db')))?.isDirectory() ?? false;
}

/** The bounds that the log's service was given, if by the same environment: a log must not be held to others. */
export function boundsFromEnv(): Pick<WalOptions, 'batchMax' | 'maxBytes' | 'maxAgeMs'> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^WAL_(BATCH_MAX|MAX_BYTES|MAX_AGE_H)$/.test(name)),
  );
  // Neither name nor folder matter here, but both are asked for.
  const {
    service: _,
    varDir: __,
    ...bounds
  } = asUsage(() => walOptionsFromEnv('any', { ...env, VAR_DIR: '.' }));
  return bounds;
}

/**
 * LevelDB writes new files at every open. Another user's, root's above all, would be files that the log's owner
 * can't write: its service could not open its log again.
 *
 * @throws {Failure}
 */
export async function checkOwner(dir: string): Promise<void> {
  const uid = process.getuid?.();
  const owner = (await statOf(dir))?.uid;
  if (uid === undefined || owner === undefined || owner === uid) return;
  throw new Failure(
    `${dir} belongs to the user with id ${owner}; run this as that user (sudo -u '#${owner}' …): ` +
      'the files that it makes there must be theirs',
  );
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
