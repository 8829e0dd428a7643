// From operations to a commit that can be written. What throws is left out, and told so; the others don't notice.

import type { Appending } from './encode.js';
import { encodeAppends } from './encode.js';
import type { Operation } from './queue.js';
import type { Streams } from './state.js';
import { Draft } from './state.js';

/** A commit: what to write, and whom to tell. */
export interface Prepared {
  readonly draft: Draft;
  /** What waits for it, in order. */
  operations: readonly Operation[];
  /** Bytes of its lines; an upper bound. */
  readonly bytes: number;
}

/** Takes the appends out of a commit: whoever waits for them is told otherwise. */
export function takeAppends(prepared: Prepared): readonly Operation[] {
  const { operations } = prepared;
  prepared.operations = operations.filter(({ is }) => is === 'change');
  return operations.filter(({ is }) => is !== 'change');
}

export interface PreparingContext {
  /** What the operations change. */
  readonly base: Streams;
  readonly writerId: string;
  readonly now: number;
  /** Called for each operation that throws. */
  readonly onThrown: (operation: Operation, error: Error) => void;
}

/** Applies operations and encodes their records. `encoded`: resolves when that is done, where it takes a turn. */
export function prepare(
  operations: readonly Operation[],
  { base, writerId, now, onThrown }: PreparingContext,
): { prepared: Prepared; encoded: void | Promise<void> } {
  const draft = new Draft(base);
  const applied: Operation[] = [];
  const appends: Appending[] = [];
  let bytes = 0;
  for (const operation of operations) {
    try {
      apply(operation, draft, appends);
    } catch (error) {
      onThrown(operation, error as Error);
      continue;
    }
    applied.push(operation);
    bytes += operation.bytes;
  }
  const encoded = encodeAppends(draft, appends, writerId, now);
  return { prepared: { draft, operations: applied, bytes }, encoded };
}

function apply(operation: Operation, draft: Draft, appends: Appending[]): void {
  switch (operation.is) {
    case 'record':
      appends.push(operation);
      return;
    case 'appends':
      operation.also?.(draft);
      for (const append of operation.appends) appends.push(append);
      return;
    case 'change':
      operation.result = operation.apply(draft);
      return;
    default:
      operation satisfies never;
  }
}
