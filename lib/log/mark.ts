// The mark: where every stream stands, written beside the database as a second witness. LevelDB drops the end of
// a damaged log file without a word; what the mark knows and the database does not was lost, and is counted, and
// what the mark knows to be delivered is not.

import { crc32 } from 'node:zlib';
import type { FileHandle } from 'node:fs/promises';
import { constants, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Cursor } from './ledger.js';
import type { Head, Streams } from './state.js';

/** How often it is rewritten at most, in ms. Not synced: it only has to survive the process. */
const REWRITE_MS = 100;

/** One stream as the mark knows it. What it says was durable once; the database may have gone further. */
export interface StreamMark {
  readonly lastSeq: number;
  readonly head: Head;
  /** By shipper. */
  readonly cursors: Readonly<Record<string, Cursor>>;
}

/** By kind. */
export type StreamMarks = Readonly<Record<string, StreamMark>>;

export interface MarkContent {
  readonly logId: string;
  readonly streams: StreamMarks;
}

/** What the mark says; `undefined` where there is none, or a torn one. */
export async function readMark(dir: string): Promise<MarkContent | undefined> {
  try {
    const [sum, json] = (await readFile(join(dir, 'mark'), 'utf8')).split('\n');
    if (json === undefined || sum !== checksum(json)) return undefined;
    return JSON.parse(json) as MarkContent;
  } catch {
    return undefined;
  }
}

export class Mark {
  readonly #path: string;
  readonly #logId: string;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  /** Opened at the first write that the disk lets through. */
  #file: FileHandle | undefined;
  #writing: Promise<void> | undefined;
  #pending: Streams | undefined;

  constructor(dir: string, logId: string, clock: Clock) {
    this.#path = join(dir, 'mark');
    this.#logId = logId;
    this.#clock = clock;
  }

  /** Takes in what is durable now; written at once, or when the last time is long enough ago. */
  set(streams: Streams): void {
    this.#pending = streams;
    this.#writing ??= this.#write();
  }

  /** Writes what is pending, and closes. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    await this.#file?.close();
  }

  async #write(): Promise<void> {
    while (this.#pending) {
      const streams = this.#pending;
      this.#pending = undefined;
      const json = JSON.stringify({ logId: this.#logId, streams: marksOf(streams) } satisfies MarkContent);
      try {
        // Not in append mode, which would ignore the position, and not truncated: the old one is good until the
        // new one is there. What is left of a longer one stands behind the second line end, where nobody looks.
        this.#file ??= await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
        await this.#file.write(`${checksum(json)}\n${json}\n`, 0);
      } catch {
        // A disk that is full refuses this, too; the mark then knows less, and the log tells of the disk.
      }
      await this.#clock.sleep(REWRITE_MS, this.#closing.signal);
    }
    // In the same turn as the last look at what is pending.
    this.#writing = undefined;
  }
}

export function marksOf(streams: Streams): StreamMarks {
  return Object.fromEntries(
    [...streams.values()].map(({ kind, lastSeq, head, cursors }) => [
      kind,
      { lastSeq, head, cursors: Object.fromEntries(cursors) } satisfies StreamMark,
    ]),
  );
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
