// Where a log's control socket is, and a path to it that the system takes. A Unix socket's path must fit into
// 104 to 108 bytes, and Node 20 cuts a longer one short without a word.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WalError } from '../errors.js';
import { readOwner } from '../log/folder.js';

export const SOCKET_NAME = 'control.sock';

/** Bytes that every system takes, the name included. */
const PATH_BYTES_MAX = 100;
const NAME_BYTES_MAX = 20;

/** Where sockets of a log's folder go. */
export type SocketPlace =
  /** Into the folder, by its path. */
  | { at: 'folder'; folder: string }
  /** Into the folder, by way of an open handle of it: the path is too long. Linux only. */
  | { at: 'handle'; folder: string }
  /** Into another one, whose path stands in owner.json. */
  | { at: 'elsewhere'; folder: string };

/** Where the holder of a log makes its socket. */
export async function placeToListen(dir: string, platform = process.platform): Promise<SocketPlace> {
  if (!isTooLong(dir)) return { at: 'folder', folder: dir };
  if (platform === 'linux') return { at: 'handle', folder: dir };
  // Always the same one, so that a crash leaves nothing behind that the next start does not take up again.
  const name = createHash('sha256')
    .update(await realpath(dir))
    .digest('hex')
    .slice(0, 16);
  const folder = join(tmpdir(), `nv-wal-${uid()}-${name}`);
  await mkdir(folder, { mode: 0o700, recursive: true });
  await checkPrivate(folder);
  return { at: 'elsewhere', folder };
}

/** Where the socket of a log is that somebody else holds; `undefined` where it can't be found. */
export async function placeToAsk(dir: string, platform = process.platform): Promise<SocketPlace | undefined> {
  if (!isTooLong(dir)) return { at: 'folder', folder: dir };
  if (platform === 'linux') return { at: 'handle', folder: dir };
  const socket = (await readOwner(dir))?.socket;
  if (typeof socket !== 'string' || !socket.endsWith(`/${SOCKET_NAME}`)) return undefined;
  const folder = socket.slice(0, -SOCKET_NAME.length - 1);
  await checkPrivate(folder);
  return { at: 'elsewhere', folder };
}

/** Calls back with a path of the name in that place, good until the callback is done. */
export async function withSocketPath<T>(
  { at, folder }: SocketPlace,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  if (at !== 'handle') return await use(join(folder, name));
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`);
  } finally {
    await handle.close();
  }
}

/** @throws {WalError} `WAL_CONFIG`: a folder that others may get into, or made by another user. */
export async function checkPrivate(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (found.isDirectory() && found.uid === uid() && (found.mode & 0o077) === 0) return;
  throw new WalError('WAL_CONFIG', `${folder} must be a folder of this user with mode 0700`);
}

function isTooLong(dir: string): boolean {
  return Buffer.byteLength(dir) + 1 + NAME_BYTES_MAX > PATH_BYTES_MAX;
}

function uid(): number {
  return process.getuid?.() ?? -1;
}
