// Medians, percentiles and ratios. Pure.

/** The middle of some numbers, and how far they lie apart. */
export interface Spread {
  median: number;
  lowest: number;
  highest: number;
}

/** @throws {RangeError} where there are none. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const lowest = sorted[0];
  const highest = sorted.at(-1);
  if (lowest === undefined || highest === undefined) throw new RangeError('no values to make a median of');
  const middle = sorted.length >> 1;
  const above = sorted[middle]!;
  const median = sorted.length % 2 === 1 ? above : (sorted[middle - 1]! + above) / 2;
  return { median, lowest, highest };
}

/** The smallest value that so many of a hundred do not exceed. `sorted` ascends and is not empty. */
export function percentile(sorted: Float64Array, hundredths: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * hundredths) / 100) - 1)]!;
}
