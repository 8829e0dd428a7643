// What to give up to keep the bounds. Pure: where streams stand and limits in, the next step out.
//
// Steps are small, so that an eviction never holds the writer for long and the picture is fresh each time.

import type { StreamPolicy } from '../config.js';

/** Bytes that one step gives up at most. */
export const STEP_BYTES_MAX = 4 * 1_048_576;

/** Where one stream stands. */
export interface Holding {
  readonly kind: string;
  readonly whenFull: StreamPolicy['whenFull'];
  readonly storedBytes: number;
  /** Of `storedBytes`, what every cursor has passed. */
  readonly deliveredBytes: number;
  /** Of `storedBytes`, what a batch in flight holds. */
  readonly heldBytes: number;
  /** When the oldest record on disk was appended: epoch ms. */
  readonly oldestAt: number;
}

/** Give up this many bytes of a stream's oldest entries, or a little more. */
export interface Step {
  readonly kind: string;
  readonly bytes: number;
  /** Whether records that a cursor has not passed may be among them. */
  readonly undelivered: boolean;
}

/**
 * The next step to get all the holdings together down to `bytesMax`; `undefined` where they are, or where
 * nothing may be given up. What is delivered and kept goes first, then what `drop-oldest` streams hold,
 * the oldest record first. Undelivered records of a `reject` stream never go.
 */
export function nextStep(holdings: readonly Holding[], bytesMax: number): Step | undefined {
  const excess = holdings.reduce((sum, holding) => sum + holding.storedBytes, 0) - bytesMax;
  if (excess <= 0) return undefined;
  const bytes = Math.min(excess, STEP_BYTES_MAX);
  const oldest = (candidates: Holding[]) => candidates.toSorted((a, b) => a.oldestAt - b.oldestAt)[0];
  const delivered = oldest(holdings.filter((holding) => holding.deliveredBytes > 0));
  if (delivered) {
    return { kind: delivered.kind, bytes: Math.min(bytes, delivered.deliveredBytes), undelivered: false };
  }
  const dropped = oldest(
    holdings.filter(
      ({ whenFull, storedBytes, heldBytes }) => whenFull === 'drop-oldest' && storedBytes > heldBytes,
    ),
  );
  return dropped && { kind: dropped.kind, bytes, undelivered: true };
}
