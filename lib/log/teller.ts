// Tells whoever waited that it is on disk, in order, some a turn: what hundreds of them do next would otherwise be one
// turn of the event loop, in which nothing else of the service happens.

import type { Operation } from './queue.js';
import { tell } from './queue.js';

/** Those who go on when they are told: so many in one turn, or more where that would take more turns than the most. */
const AT_ONCE = 128;
/**
 * The next commit waits for those who are told. Were the turns not bounded, a service that appends more in each of its
 * turns than is told in one would be ever further ahead of the disk, however fast that is.
 */
const TURNS_MAX = 8;

export class Teller {
  /** Those who have to wait for a turn. */
  #left: readonly Operation[] = [];
  #atOnce = AT_ONCE;
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
    const isFirst = !this.isTelling;
    this.#left = isFirst ? operations : [...this.#left, ...operations];
    this.#atOnce = Math.max(AT_ONCE, Math.ceil(this.#left.filter(goesOn).length / TURNS_MAX));
    if (isFirst) this.#tell();
  }

  #tell(): void {
    const all = this.#left;
    let count = 0;
    for (let going = 0; count < all.length && going < this.#atOnce; count++) if (goesOn(all[count]!)) going++;
    this.#left = all.slice(count);
    if (this.isTelling) setImmediate(() => this.#tell());
    for (const operation of all.slice(0, count)) tell(operation);
    if (!this.isTelling) this.#onAllTold();
  }
}

/** Whether somebody does something next: records that nobody waits for take no turn. */
function goesOn(operation: Operation): boolean {
  return operation.is !== 'record' || operation.caller.goesOn;
}
