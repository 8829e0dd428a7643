// Tells whoever waited that it is on disk, in order, some a turn: what hundreds of them do next would otherwise be one
// turn of the event loop, in which nothing else of the service happens.

import type { Operation } from './queue.js';
import { tell } from './queue.js';

/** Told in one turn. */
const AT_ONCE = 128;

export class Teller {
  /** Those who have to wait for a turn. */
  #left: Operation[] = [];
  readonly #onAllTold: () => void;

  constructor(onAllTold: () => void) {
    this.#onAllTold = onAllTold;
  }

  /** Somebody has yet to be told. */
  get isTelling(): boolean {
    return this.#left.length > 0;
  }

  /** The first are told now, unless others come before them. */
  tell(operations: readonly Operation[]): void {
    if (this.isTelling) this.#left = [...this.#left, ...operations];
    else this.#tell(operations);
  }

  #tell(operations: readonly Operation[]): void {
    this.#left = operations.slice(AT_ONCE);
    if (this.isTelling) setImmediate(() => this.#tell(this.#left));
    for (const operation of operations.slice(0, AT_ONCE)) tell(operation);
    if (!this.isTelling) this.#onAllTold();
  }
}
