// Operations that go together from the queue to their commit: numbered and encoded at once, deflated on the thread
// pool while commits before them sync, and then taken into a draft.

import { Encoder } from './encode.js';
import type { Numbers } from './encode.js';
import type { Operation } from './queue.js';
import type { Draft } from './state.js';

export class Unit {
  readonly operations: readonly Operation[];
  /** Bytes of lines (an upper bound), and keys, that it adds to a commit. */
  readonly bytes: number;
  readonly keys: number;
  readonly #encoder: Encoder;
  #isReady = false;

  /** Numbers and encodes what `operations` append; each knows its places then. */
  constructor(operations: readonly Operation[], numbers: Numbers, writerId: string, now: number) {
    this.operations = operations;
    this.bytes = operations.reduce((sum, operation) => sum + operation.bytes, 0);
    this.keys = operations.reduce((sum, operation) => sum + operation.keys, 0);
    this.#encoder = new Encoder(numbers, writerId, now, this.bytes);
    for (const operation of operations) {
      if (operation.is === 'append') {
        operation.places = operation.appends.map((append) => this.#encoder.add(append));
      }
    }
  }

  /** Whether it can be written. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Deflates what is worth it. Calls back later, where that takes a hop to the thread pool. */
  finish(onReady: () => void): void {
    const deflated = this.#encoder.finish();
    if (!deflated) {
      this.#isReady = true;
      return;
    }
    void deflated.then(() => {
      this.#isReady = true;
      onReady();
    });
  }

  /** Takes it into the draft of a commit. Returns what threw, which has changed nothing; the rest is in the draft. */
  apply(draft: Draft): Map<Operation, Error> {
    const thrown = new Map<Operation, Error>();
    let appends = false;
    for (const operation of this.operations) {
      try {
        if (operation.is === 'append') {
          operation.also?.(draft);
          appends = true;
        } else {
          operation.result = operation.apply(draft);
        }
      } catch (error) {
        thrown.set(operation, error as Error);
      }
    }
    // One with other changes is alone in its unit: where those throw, nothing of the unit is appended.
    if (appends) this.#encoder.write(draft);
    return thrown;
  }
}

/**
 * Whether what is ready should be written now, in a commit that takes so many bytes at most. Not a part of what is
 * being deflated, unless it is most of that: another commit, and another sync, for each part would cost more than the
 * wait.
 */
export function areWorthWriting(units: readonly Unit[], bytesMax: number): boolean {
  if (!units[0]?.isReady) return false;
  const unready = units.findIndex(({ isReady }) => !isReady);
  return unready === -1 || bytesOf(units.slice(0, unready)) * 2 > bytesMax;
}

export function bytesOf(units: readonly Unit[]): number {
  return units.reduce((sum, { bytes }) => sum + bytes, 0);
}
