// How passages and entries go over the control socket to a process that takes them apart itself: a line of JSON each, and
// behind it, where the line says `bytes`, so many bytes as they are stored. Errors and reports are lines as elsewhere.

import { WalError } from '../errors.js';
import type { Entry } from '../log/entry.js';

/** What asks for it, and what it is called. */
export const FRAMES_TYPE = 'application/vnd.nv-wal.frames';

/** A line's end. */
const LF = 0x0a;
/** Far above what a record may have: a line without end is no frame. */
const FRAME_BYTES_MAX = 64 * 1_048_576;

/** An item as what is to be sent of it. No copy is made of what is stored. */
export function frameOf(item: object): (string | Buffer)[] {
  const entry = 'entry' in item ? (item as { entry: Entry }).entry : undefined;
  if (!entry) return [`${JSON.stringify(item)}\n`];
  const { stored, ...rest } = entry;
  return [`${JSON.stringify({ ...item, entry: rest, bytes: stored.length })}\n`, stored];
}

/** Makes items of bytes as they come. `parse` makes an object of a line, or throws what the line tells of. */
export async function* itemsOfFrames<T extends object>(
  parts: AsyncIterable<Buffer>,
  parse: (line: string) => T,
): AsyncGenerator<T> {
  let rest: Buffer = Buffer.alloc(0);
  let waiting: Buffer[] = [];
  let needed = 1;
  for await (const part of parts) {
    waiting.push(part);
    // Only once enough is there: a large frame comes in many parts.
    if (waiting.reduce((sum, { length }) => sum + length, rest.length) < needed) continue;
    rest = Buffer.concat([rest, ...waiting]);
    waiting = [];
    for (;;) {
      const end = rest.indexOf(LF);
      if (end < 0) {
        needed = rest.length + 1;
        break;
      }
      const item = parse(rest.toString('utf8', 0, end));
      needed = end + 1 + bytesBehind(item);
      if (needed > rest.length) break;
      yield withStored(item, rest.subarray(end + 1, needed));
      rest = rest.subarray(needed);
    }
    if (needed > FRAME_BYTES_MAX) throw new WalError('WAL_IO', `its answer is none: ${needed} bytes of one`);
  }
  // A frame that is cut off is none.
  if (rest.length > 0 || waiting.length > 0) {
    throw new WalError('WAL_IO', 'the process that holds the log went away');
  }
}

/** The bytes behind a line: only an entry has some, whatever else an answer calls so. */
function bytesBehind(item: object): number {
  if (!('entry' in item && 'bytes' in item)) return 0;
  const bytes = Number(item.bytes);
  if (Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
  throw new WalError('WAL_IO', `its answer is none: an entry of ${String(item.bytes)} bytes`);
}

function withStored<T extends object>(item: T, stored: Buffer): T {
  if (!('entry' in item)) return item;
  const { bytes: _, ...rest } = item as T & { bytes?: number };
  return { ...rest, entry: { ...(item.entry as object), stored } } as unknown as T;
}
