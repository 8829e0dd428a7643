// Appends what a transport's stream brings, so many at a time as memory should hold: beyond it the stream waits, and
// pino's buffer behind it. Knows no pino.

import type { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, LogRecord } from '../index.js';
import { Losses } from './losses.js';
import { messageOf } from './misuse.js';

/** A line, read. */
export interface Line {
  readonly record: LogRecord;
  readonly bytes: number;
}

/** What waits for the disk at most; far below what a log takes (`WAL_OVERLOADED`). */
const RECORDS_MAX = 4096;
const BYTES_MAX = 8 * 1_048_576;
/** How often `flush` looks, in ms: between stream and disk there is no one event to wait for. */
const LOOK_MS = 1;

export interface LineTarget {
  append(kind: 'log', record: LogRecord): Promise<unknown>;
}

export class LineWriter {
  readonly #wal: LineTarget;
  readonly #losses: Losses;
  readonly #say: (text: string) => void;
  #source: Transform | undefined;
  #waitingRecords = 0;
  #waitingBytes = 0;
  #lost = 0;
  #why = '';

  constructor(wal: LineTarget, clock: Clock, say: (text: string) => void) {
    this.#wal = wal;
    this.#say = say;
    this.#losses = new Losses(clock, (state, lost) => {
      if (state === 'losing') say(`records are not persisted, ${lost} so far: ${this.#why}`);
      else say(`records are persisted again; ${lost} were not`);
    });
  }

  /** Begins to take lines from a stream in object mode. */
  read(source: Transform): void {
    this.#source = source;
    source.on('data', (line: Line) => this.#write(line));
  }

  /** A record that is not persisted is counted, and told once until none is lost for a while. */
  lose(why: unknown): void {
    this.#lost++;
    this.#why = messageOf(why);
    this.#losses.note(this.#lost);
  }

  /** Resolves when everything that the stream was given is on disk, or lost. */
  async flush(): Promise<void> {
    while (this.#isBusy()) await sleep(LOOK_MS);
  }

  /** The same once the stream has ended; says what was lost. */
  async end(): Promise<void> {
    while (this.#waitingRecords > 0) await sleep(LOOK_MS);
    if (this.#lost > 0) this.#say(`${this.#lost} records were not persisted`);
  }

  #isBusy(): boolean {
    const { readableLength = 0, writableLength = 0 } = this.#source ?? {};
    return this.#waitingRecords + readableLength + writableLength > 0;
  }

  #write(line: Line): void {
    this.#waitingRecords++;
    this.#waitingBytes += line.bytes;
    if (this.#waitingRecords >= RECORDS_MAX || this.#waitingBytes >= BYTES_MAX) this.#source?.pause();
    this.#wal.append('log', line.record).then(
      () => this.#settled(line),
      (error: unknown) => {
        this.#settled(line);
        this.lose(error);
      },
    );
  }

  #settled(line: Line): void {
    this.#waitingRecords--;
    this.#waitingBytes -= line.bytes;
    this.#losses.note(this.#lost);
    const hasRoom = this.#waitingRecords < RECORDS_MAX / 2 && this.#waitingBytes < BYTES_MAX / 2;
    if (hasRoom && this.#source?.isPaused()) this.#source.resume();
  }
}
