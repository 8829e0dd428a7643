// Tells callers that their operations are on disk, some a turn: whoever is told goes on at once, most likely with the
// next append, and what became ready meanwhile, and the rest of the process, is not to wait for a thousand of them.

import type { Operation } from './queue.js';

/** Operations whose callers are told in one turn. */
const TOLD_MAX = 128;

export class Teller {
  readonly #onTold: () => void;
  readonly #waiting: Operation[] = [];

  /** `onTold`: called after each turn in which some were told. */
  constructor(onTold: () => void) {
    this.#onTold = onTold;
  }

  /** How many do not know it yet. */
  get length(): number {
    return this.#waiting.length;
  }

  /** In order, the first of them at once. */
  tell(operations: readonly Operation[]): void {
    const isUnderWay = this.#waiting.length > 0;
    for (const operation of operations) this.#waiting.push(operation);
    if (!isUnderWay) this.#tellSome();
  }

  #tellSome(): void {
    for (const operation of this.#waiting.splice(0, TOLD_MAX)) {
      if (operation.is === 'append') operation.resolve(operation.places);
      else operation.resolve(operation.result);
    }
    if (this.#waiting.length > 0) setImmediate(() => this.#tellSome());
    this.#onTold();
  }
}
