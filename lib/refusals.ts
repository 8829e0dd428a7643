// Records that could not be appended, counted by kind and by the code of the error that its caller got.

import type { WalErrorCode } from './errors.js';
import { WalError } from './errors.js';

/** Counted from the start, as 0: only then an increase can be told from a beginning. */
const CODES: readonly WalErrorCode[] = [
  'WAL_RECORD_INVALID',
  'WAL_RECORD_TOO_LARGE',
  'WAL_FULL',
  'WAL_OVERLOADED',
  'WAL_IO',
  'WAL_CLOSED',
];

export interface RefusalCount {
  /** Empty where it was none of the log's streams: what callers name is not bounded. */
  readonly kind: string;
  readonly code: WalErrorCode;
  readonly records: number;
}

export class Refusals {
  /** By kind and code. */
  readonly #counts = new Map<string, Map<WalErrorCode, number>>([['', new Map([['WAL_UNKNOWN_KIND', 0]])]]);

  constructor(kinds: Iterable<string>) {
    for (const kind of kinds) this.#counts.set(kind, new Map(CODES.map((code) => [code, 0])));
  }

  count(kind: string, error: unknown, records: number): void {
    const code = error instanceof WalError ? error.code : 'WAL_RECORD_INVALID';
    const counts = this.#counts.get(kind) ?? this.#counts.get('')!;
    counts.set(code, (counts.get(code) ?? 0) + records);
  }

  get counts(): RefusalCount[] {
    return [...this.#counts].flatMap(([kind, counts]) =>
      [...counts].map(([code, records]) => ({ kind, code, records })),
    );
  }
}
