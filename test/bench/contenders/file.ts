// The physical limit: plain files, one write and one fdatasync a group, on the thread pool. No index, no checksum:
// whatever does more than this can at best be as fast.

import { fdatasync, write } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { behindFront } from './front-path.js';
import type { Body, Group, GroupStore } from './front.js';
import { bytesOf } from './lines.js';

/** A file that has as much is followed by the next; delivered ones are deleted. */
const SEGMENT_BYTES_MAX = 16 * 1_048_576;
const READ_BYTES = 786_432;
const NEWLINE = 0x0a;
const SEQ_DIGITS = 16;

interface Segment {
  readonly path: string;
  readonly handle: FileHandle;
  bytes: number;
  lastSeq: number;
}

class FileStore implements GroupStore {
  readonly #dir: string;
  #segments: Segment[] = [];
  /** Up to where records were delivered. */
  readonly #position: FileHandle;
  #opened = 0;
  /** The segment that was read last, and where the next read begins in it. */
  #reading: Segment | undefined;
  #readAt = 0;

  constructor(dir: string, position: FileHandle) {
    this.#dir = dir;
    this.#position = position;
  }

  async write({ firstSeq, lines, removeTo }: Group): Promise<void> {
    // Not synced: a position that is lost sends again what was taken, which any receiver must bear.
    if (removeTo > 0) await this.#remove(removeTo);
    if (lines.length === 0) return;
    const segment = await this.#last();
    const bytes = bytesOf(lines);
    await append(segment.handle.fd, bytes);
    segment.bytes += bytes.length;
    segment.lastSeq = firstSeq + lines.length - 1;
  }

  async read(after: number, countMax: number): Promise<Body> {
    const segment = this.#segments.find(({ lastSeq }) => lastSeq > after)!;
    if (segment !== this.#reading) this.#readAt = 0;
    this.#reading = segment;
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, segment.bytes - this.#readAt));
    const { bytesRead } = await segment.handle.read(buffer, 0, buffer.length, this.#readAt);
    let end = 0;
    let count = 0;
    while (count < countMax) {
      const newline = buffer.indexOf(NEWLINE, end);
      if (newline === -1 || newline >= bytesRead) break;
      end = newline + 1;
      count++;
    }
    this.#readAt += end;
    return { bytes: buffer.subarray(0, end), count };
  }

  async close(): Promise<void> {
    for (const { handle } of this.#segments) await handle.close();
    await this.#position.close();
  }

  async #last(): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last && last.bytes < SEGMENT_BYTES_MAX) return last;
    const path = join(this.#dir, `records-${++this.#opened}.ndjson`);
    const segment = { path, handle: await open(path, 'a+'), bytes: 0, lastSeq: 0 };
    this.#segments.push(segment);
    return segment;
  }

  async #remove(upTo: number): Promise<void> {
    await this.#position.write(String(upTo).padStart(SEQ_DIGITS, '0'), 0);
    const last = this.#segments.at(-1);
    const gone = this.#segments.filter((segment) => segment !== last && segment.lastSeq <= upTo);
    if (gone.length === 0) return;
    this.#segments = this.#segments.filter((segment) => !gone.includes(segment));
    for (const { handle, path } of gone) {
      await handle.close();
      await rm(path);
    }
  }
}

/** By callbacks: the promises of node:fs/promises would be more than the file is charged with here. */
function append(fd: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, written) => {
      if (error) return reject(error);
      if (written < bytes.length)
        return reject(new Error(`only ${written} of ${bytes.length} bytes written`));
      fdatasync(fd, (failure) => (failure ? reject(failure) : resolve()));
    });
  });
}

export const file = behindFront(async (dir) => new FileStore(dir, await open(join(dir, 'position'), 'w')));
