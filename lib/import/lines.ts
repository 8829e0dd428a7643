// A file's lines with their places, in bounded memory. Knows nothing of what is in them.

import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Bytes that one line may have: a record of 1 MiB, escaped at its widest, in an envelope. */
export const LINE_BYTES_MAX = 8 * 1_048_576;

export interface Line {
  /** Without its end; `undefined` where it is longer than `LINE_BYTES_MAX`. */
  readonly bytes: Buffer | undefined;
  /** Counted from 1. */
  readonly number: number;
  /** Bytes of the file up to and with the line's end. */
  readonly end: number;
  /** False for a last line that has no `\n` yet: its writer may not be done. */
  readonly complete: boolean;
  /** Has taken everything up to the line's end, until the next line is asked for. */
  readonly hash: Hash;
}

/** The lines of a file from a place on, with `hash` having taken everything before it. */
export async function* linesFrom(
  path: string,
  start: number,
  firstNumber: number,
  hash: Hash,
): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = firstNumber;
  let end = start;
  const push = (part: Buffer) => {
    hash.update(part);
    length += part.length;
    end += part.length;
    if (length <= LINE_BYTES_MAX + 1) parts.push(part);
    else parts = [];
  };
  const take = (complete: boolean): Line => {
    const textLength = complete ? length - 1 : length;
    const bytes = textLength <= LINE_BYTES_MAX ? Buffer.concat(parts).subarray(0, textLength) : undefined;
    parts = [];
    length = 0;
    return { bytes, number: number++, end, complete, hash };
  };
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { start, highWaterMark: 262_144 });
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, from)) {
      push(chunk.subarray(from, at + 1));
      from = at + 1;
      yield take(true);
    }
    if (from === chunk.length) continue;
    // Whoever took the last line keeps a digest that ends there: this part may never become a line.
    hash = hash.copy();
    push(chunk.subarray(from));
  }
  if (length > 0) yield take(false);
}
