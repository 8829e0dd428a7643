// The front that every store here stands behind, so that only the stores differ: serialise, queue, one group
// in flight, a promise for each record. Groups form as the library's own do: what comes while one is being
// written makes the next.

import type { LogRecord } from '../../../lib/index.js';
import { recordId, recordLine } from '../../../lib/records.js';
import type { Appender } from './contender.js';

/** Where groups of lines go. */
export interface GroupStore {
  /** Resolves when the lines are on disk, behind an fsync. Never called before the last call has resolved. */
  write(lines: readonly string[]): Promise<void>;
  storedBytes(): Promise<number>;
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
  #writing = false;
  #scheduled = false;

  constructor(store: GroupStore) {
    this.#store = store;
  }

  append(record: LogRecord): Promise<{ id: string; seq: number }> {
    return this.#enqueue([record], receiptOf);
  }

  appendMany(records: readonly LogRecord[]): Promise<{ id: string; seq: number }[]> {
    return this.#enqueue(records, (firstSeq) => records.map((_, n) => receiptOf(firstSeq + n)));
  }

  storedBytes(): Promise<number> {
    return this.#store.storedBytes();
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
    if (this.#scheduled || this.#writing || this.#queue.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#write();
    });
  }

  #write(): void {
    const group = this.#queue;
    this.#queue = [];
    this.#writing = true;
    const lines: string[] = [];
    for (const waiting of group) lines.push(...waiting.lines);
    this.#store.write(lines).then(
      () => {
        this.#writing = false;
        for (const { tell } of group) tell();
        this.#schedule();
      },
      (error: Error) => {
        // The run is over: nothing is written again.
        for (const { reject } of [...group, ...this.#queue.splice(0)]) reject(error);
      },
    );
  }
}

function receiptOf(seq: number): { id: string; seq: number } {
  return { id: recordId(WRITER_ID, KIND, seq), seq };
}
