// Whether stdin brings records, and if so, all of them into a file: an import needs a file to be resumable.

import { fstatSync } from 'node:fs';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** How long a pipe may be silent before it is taken for one that nobody writes to, in ms. */
const GRACE_MS = 2000;

/**
 * Writes what stdin delivers into a new file.
 *
 * @param expected Whether there must be something, so that it is waited for, however long that takes.
 * @returns false where nothing came: stdin is a terminal or /dev/null, or a pipe that stays silent.
 */
export async function readStdin(path: string, expected: boolean, signal: AbortSignal): Promise<boolean> {
  if (!expected && !mayDeliver()) return false;
  const { stdin } = process;
  if (!(await delivers(expected ? undefined : GRACE_MS, signal))) {
    // An open pipe would keep the process alive.
    stdin.destroy();
    return expected;
  }
  await pipeline(stdin, createWriteStream(path, { mode: 0o600 }), { signal });
  return true;
}

function mayDeliver(): boolean {
  try {
    const found = fstatSync(0);
    return found.isFile() || found.isFIFO() || found.isSocket();
  } catch {
    return false;
  }
}

/** Whether there is a first byte before the end, and in time. */
function delivers(graceMs: number | undefined, signal: AbortSignal): Promise<boolean> {
  const { stdin } = process;
  return new Promise((resolve) => {
    const settle = (there: boolean) => {
      clearTimeout(timer);
      stdin.off('readable', onReadable).off('end', onNone).off('error', onNone);
      signal.removeEventListener('abort', onNone);
      resolve(there);
    };
    // `readable` comes with the end, too; then there is nothing to read.
    const onReadable = () => settle(stdin.readableLength > 0);
    const onNone = () => settle(false);
    const timer = graceMs === undefined ? undefined : setTimeout(onNone, graceMs);
    stdin.once('readable', onReadable).once('end', onNone).once('error', onNone);
    signal.addEventListener('abort', onNone, { once: true });
  });
}
