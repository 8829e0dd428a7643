// The front that every store here stands behind, so that only the stores differ: serialise, queue, one group
// in flight, a promise for each record. Groups form as the library's own do: what comes while one is being
// written makes the next.

import type { LogRecord } from '../../../lib/index.js';
import { recordId, recordLine } from '../../../lib/records.js';
import type { Appender } from './contender.js';

/** What is written together. */
export interface Group {
  /** Of the first line; the others follow without a hole. */
  readonly firstSeq: number;
  /** May be empty: then something is removed only. */
  readonly lines: readonly string[];
  /** Records up to here were delivered and may go; 0: none. */
  readonly removeTo: number;
}

/** Lines as they go into a body. */
export interface Body {
  readonly bytes: Buffer;
  readonly count: number;
}

/** Where groups of lines go. */
export interface GroupStore {
  /** Resolves when the lines are on disk, behind an fsync. Never called before the last call has resolved. */
  write(group: Group): Promise<void>;
  /** At least one and at most `countMax` lines behind a seq. Called in order, and only where lines are. */
  read(after: number, countMax: number): Promise<Body>;
  close(): Promise<void>;
}

interface Waiting {
  readonly lines: readonly string[];
  readonly tell: () => void;
  readonly reject: (error: Error) => void;
}

const WRITER_ID = '0123456789ABCDEF';
const KIND = 'log';

export class Front implements Appender {
  readonly #store: GroupStore;
  #queue: Waiting[] = [];
  #lastSeq = 0;
  #durableSeq = 0;
  #removeTo = 0;
  #removedTo = 0;
  #writing = false;
  #scheduled = false;
  #onWritten = () => {};

  constructor(store: GroupStore) {
    this.#store = store;
  }

  append(record: LogRecord): Promise<{ id: string; seq: number }> {
    return this.#enqueue([record], receiptOf);
  }

  appendMany(records: readonly LogRecord[]): Promise<{ id: string; seq: number }[]> {
    return this.#enqueue(records, (firstSeq) => records.map((_, n) => receiptOf(firstSeq + n)));
  }

  /** Everything up to here is on disk. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  /** Everything up to here was delivered, and is gone from the disk. */
  get removedTo(): number {
    return this.#removedTo;
  }

  /** Called after each group. */
  onWritten(listener: () => void): void {
    this.#onWritten = listener;
  }

  read(after: number, countMax: number): Promise<Body> {
    return this.#store.read(after, countMax);
  }

  /** What was delivered goes with the next group, and needs no fsync of its own where something is appended. */
  remove(upTo: number): void {
    this.#removeTo = upTo;
    this.#schedule();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #enqueue<T>(records: readonly LogRecord[], receiptFrom: (firstSeq: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const firstSeq = this.#lastSeq + 1;
      const lines = records.map((record) =>
        recordLine(WRITER_ID, KIND, ++this.#lastSeq, JSON.stringify(record)),
      );
      this.#queue.push({ lines, tell: () => resolve(receiptFrom(firstSeq)), reject });
      this.#schedule();
    });
  }

  /** A turn later, so that everything appended in this turn, or by those just told, comes along. */
  #schedule(): void {
    const isIdle = this.#queue.length === 0 && this.#removeTo === this.#removedTo;
    if (this.#scheduled || this.#writing || isIdle) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#write();
    });
  }

  #write(): void {
    const waiting = this.#queue;
    this.#queue = [];
    this.#writing = true;
    const lines: string[] = [];
    for (const { lines: some } of waiting) lines.push(...some);
    const removeTo = this.#removeTo;
    const group = {
      firstSeq: this.#durableSeq + 1,
      lines,
      removeTo: removeTo > this.#removedTo ? removeTo : 0,
    };
    this.#store.write(group).then(
      () => {
        this.#writing = false;
        this.#durableSeq += lines.length;
        this.#removedTo = removeTo;
        for (const { tell } of waiting) tell();
        this.#onWritten();
        this.#schedule();
      },
      (error: Error) => {
        // The run is over: nothing is written again.
        for (const { reject } of [...waiting, ...this.#queue.splice(0)]) reject(error);
      },
    );
  }
}

function receiptOf(seq: number): { id: string; seq: number } {
  return { id: recordId(WRITER_ID, KIND, seq), seq };
}
