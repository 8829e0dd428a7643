// How far a file was imported, so that no line is imported twice: not after a crash, not when the file has
// grown, not under another name. Knows the log's keyspace, not what lines mean.
//
// A file is known by its content: by its first line, and by the digest of everything up to where the import
// was. That place and the records up to it are committed together. Where earlier imports of it ended stays
// known, so that a copy from then is known, too; a shorter copy that was never imported before is another file.

import type { Hash } from 'node:crypto';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { keys, unsealOrThrow } from '../log/keyspace.js';
import { rowsOf } from '../log/open.js';
import type { Draft } from '../log/state.js';
import type { Store } from '../log/store.js';

/** Places in one file that are remembered. Older ones find a copy that was made before the file grew. */
const CHECKPOINTS_MAX = 32;
/** Bytes of the first line that tell a file from others. */
const FIRST_LINE_BYTES_MAX = 65_536;

interface Stored {
  /** Bytes of the file that were imported, and their SHA-256. */
  readonly bytes: number;
  readonly sha256: string;
  readonly lines: number;
  readonly imported: number;
}

/** Where an import of a file stands. Changed as it goes on. */
export interface Progress {
  /** The digest of the file's beginning, up to `bytes`. */
  hash: Hash;
  readonly fingerprint: string;
  bytes: number;
  lines: number;
  /** Records that are in the log. */
  imported: number;
  /** The key of this import's last checkpoint. */
  key: string | undefined;
  /** Keys of earlier imports' checkpoints that are to be forgotten. */
  outdated: readonly string[];
}

/** Where to go on with a file: behind the longest of its beginnings that was imported. */
export async function resume(store: Store, path: string): Promise<Progress> {
  const fingerprint = await fingerprintOf(path);
  const known: { key: string; stored: Stored }[] = [];
  const prefix = keys.import(`${fingerprint}:`);
  for await (const [key, value] of rowsOf(store, { gte: prefix, lt: `${prefix}~` })) {
    known.push({ key, stored: unsealOrThrow<Stored>(key, value) });
  }
  known.sort((a, b) => a.stored.bytes - b.stored.bytes);
  const { size } = await stat(path);
  let hash = createHash('sha256');
  const none = { key: undefined, outdated: [] };
  let progress: Progress = { hash, fingerprint, bytes: 0, lines: 0, imported: 0, ...none };
  const beginnings: string[] = [];
  let at = 0;
  for (const { key, stored } of known) {
    if (stored.bytes > size) break;
    if (stored.bytes > at) await digestRange(path, at, stored.bytes, hash);
    at = stored.bytes;
    if (hash.copy().digest('hex') === stored.sha256) {
      const { bytes, lines, imported } = stored;
      progress = { hash: hash.copy(), fingerprint, bytes, lines, imported, ...none };
      hash = hash.copy();
      beginnings.push(key);
    }
  }
  progress.outdated = beginnings.slice(0, -(CHECKPOINTS_MAX - 1));
  // Not the beginnings that were tried behind the one that fits.
  return progress.bytes === 0 ? { ...progress, hash: createHash('sha256') } : progress;
}

/** Remembers where an import is, in the commit that takes the records up to there. */
export function checkpoint(progress: Progress): (draft: Draft) => void {
  const { bytes, lines, imported, key: last, outdated } = progress;
  const sha256 = progress.hash.copy().digest('hex');
  const key = keys.import(`${progress.fingerprint}:${sha256.slice(0, 32)}`);
  progress.key = key;
  progress.outdated = [];
  return (draft) => {
    if (last !== undefined && last !== key) draft.delete(last);
    for (const old of outdated) draft.delete(old);
    draft.put(key, { bytes, sha256, lines, imported } satisfies Stored);
  };
}

async function fingerprintOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(FIRST_LINE_BYTES_MAX),
      0,
      FIRST_LINE_BYTES_MAX,
      0,
    );
    const beginning = buffer.subarray(0, bytesRead);
    const end = beginning.indexOf(0x0a);
    return createHash('sha256')
      .update(end < 0 ? beginning : beginning.subarray(0, end))
      .digest('hex')
      .slice(0, 32);
  } finally {
    await file.close();
  }
}

async function digestRange(path: string, start: number, end: number, hash: Hash): Promise<void> {
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { start, end: end - 1 });
  for await (const chunk of chunks) hash.update(chunk);
}
