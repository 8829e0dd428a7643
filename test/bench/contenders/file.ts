// The physical limit: a plain file, one write and one fdatasync a group, on the thread pool. Nothing is read
// back, nothing can be deleted; whatever does more than this can at best be as fast.

import { fdatasync, write } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contender } from './contender.js';
import type { GroupStore } from './front.js';
import { Front } from './front.js';

async function openFile(dir: string): Promise<GroupStore> {
  const handle = await open(join(dir, 'records.ndjson'), 'a');
  const { fd } = handle;
  return {
    write: (lines) =>
      new Promise((resolve, reject) => {
        const bytes = bytesOf(lines);
        // By callbacks: the promises of node:fs/promises would be more than the file is charged with here.
        write(fd, bytes, (error, written) => {
          if (error) return reject(error);
          if (written < bytes.length)
            return reject(new Error(`only ${written} of ${bytes.length} bytes written`));
          fdatasync(fd, (failure) => (failure ? reject(failure) : resolve()));
        });
      }),
    storedBytes: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

/** Line by line into one buffer: joined into one string first, they would cost twice as much. */
function bytesOf(lines: readonly string[]): Buffer {
  const bytes = Buffer.allocUnsafe(lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0));
  let at = 0;
  for (const line of lines) at += bytes.write(line, at);
  return bytes;
}

export const file: Contender = {
  openAppender: async ({ dir }) => new Front(await openFile(dir)),
};
