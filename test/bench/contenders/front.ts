// The front that every store here stands behind, so that only the stores differ: serialise, queue, one group
// in flight, a promise for each record. Groups form as the library's own do: what comes while one is being
// written makes the next.

import type { LogRecord } from '../../../lib/index.js';
import { recordLine } from '../../../lib/records.js';
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
  readonly firstSeq: number;
  readonly resolve: (place: { firstSeq: number }) => void;
  readonly reject: (error: unknown) => void;
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

  async append(record: LogRecord): Promise<{ id: string; seq: number }> {
    const { firstSeq } = await this.#enqueue([record]);
    return { id: `${WRITER_ID}:${KIND}:${firstSeq}`, seq: firstSeq };
  }

  async appendMany(records: readonly LogRecord[]): Promise<{ id: string; seq: number }[]> {
    const { firstSeq } = await this.#enqueue(records);
    return records.map((_, n) => ({ id: `${WRITER_ID}:${KIND}:${firstSeq + n}`, seq: firstSeq + n }));
  }

  storedBytes(): Promise<number> {
    return this.#store.storedBytes();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #enqueue(records: readonly LogRecord[]): Promise<{ firstSeq: number }> {
    const firstSeq = this.#lastSeq + 1;
    const lines = records.map((record) =>
      recordLine(WRITER_ID, KIND, ++this.#lastSeq, JSON.stringify(record)),
    );
    return new Promise((resolve, reject) => {
      this.#queue.push({ lines, firstSeq, resolve, reject });
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
    this.#store.write(group.flatMap(({ lines }) => lines)).then(
      () => {
        this.#writing = false;
        for (const { resolve, firstSeq } of group) resolve({ firstSeq });
        this.#schedule();
      },
      (error: unknown) => {
        for (const { reject } of [...group, ...this.#queue.splice(0)]) reject(error);
      },
    );
  }
}
