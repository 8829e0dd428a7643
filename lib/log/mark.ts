// The mark: each stream's last seq, written beside the database. LevelDB drops the end of a damaged log file
// without a word; what the mark knows and the database does not was lost, and is counted.

import { crc32 } from 'node:zlib';
import type { FileHandle } from 'node:fs/promises';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Streams } from './state.js';

/** How often it is rewritten at most, in ms. Not synced: it only has to survive the process. */
const REWRITE_MS = 100;

export interface MarkContent {
  readonly logId: string;
  /** By kind. */
  readonly lastSeqs: Readonly<Record<string, number>>;
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
  readonly #file: FileHandle;
  readonly #logId: string;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #writing: Promise<void> | undefined;
  #pending: Streams | undefined;

  private constructor(file: FileHandle, logId: string, clock: Clock) {
    this.#file = file;
    this.#logId = logId;
    this.#clock = clock;
  }

  static async open(dir: string, logId: string, clock: Clock): Promise<Mark> {
    const path = join(dir, 'mark');
    // Made by one call, written by another: append mode would ignore the position.
    await (await open(path, 'a', 0o600)).close();
    return new Mark(await open(path, 'r+'), logId, clock);
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
    await this.#file.close();
  }

  async #write(): Promise<void> {
    while (this.#pending) {
      const streams = this.#pending;
      this.#pending = undefined;
      const lastSeqs: Record<string, number> = {};
      for (const { kind, lastSeq } of streams.values()) lastSeqs[kind] = lastSeq;
      const json = JSON.stringify({ logId: this.#logId, lastSeqs } satisfies MarkContent);
      try {
        // In place: seqs only grow, so a shorter text never follows a longer one.
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

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
