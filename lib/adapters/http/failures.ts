// Events that could not be made durable: counted, and told of once until one can again.

import type { HttpAuditEvent } from './options.js';

export class Failures {
  readonly #onEvent: (event: HttpAuditEvent) => void;
  #count = 0;
  /** Since the last one that succeeded. */
  #inARow = 0;

  constructor(onEvent: (event: HttpAuditEvent) => void = () => {}) {
    this.#onEvent = onEvent;
  }

  get count(): number {
    return this.#count;
  }

  failed(cause: unknown): void {
    this.#count++;
    if (++this.#inARow > 1) return;
    const message = `a request's audit event is not durable: ${cause instanceof Error ? cause.message : String(cause)}`;
    this.#tell({ type: 'audit-failing', message, cause });
  }

  succeeded(): void {
    if (this.#inARow === 0) return;
    const failures = this.#inARow;
    this.#inARow = 0;
    this.#tell({ type: 'audit-recovered', failures });
  }

  #tell(event: HttpAuditEvent): void {
    try {
      this.#onEvent(event);
    } catch {
      // An observer must not be able to break what it observes.
    }
  }
}
