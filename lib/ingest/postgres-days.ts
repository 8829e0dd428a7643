// Which day a record is filed under in PostgreSQL: its own, where that is near enough to today. Pure.

import type { IngestLine } from './store.js';

/**
 * The days for which a record is given a partition of its own, counted from today. A hostile `ts` must not
 * make thousands of them, so what lies outside is filed as undated. A record that was filed stays where it is:
 * the store finds it there, however far today has moved on.
 */
const DAYS_BACK = 366;
const DAYS_AHEAD = 2;
const DAY_MS = 86_400_000;

/** The day whose partition is always there, and takes what has no usable day of its own. */
export const UNDATED = '1970-01-01';

/** `YYYY-MM-DD`, in UTC. */
export function dayFor({ ts }: Pick<IngestLine, 'ts'>, nowMs: number): string {
  if (ts === undefined) return UNDATED;
  const daysAhead = Math.floor(ts / DAY_MS) - Math.floor(nowMs / DAY_MS);
  if (daysAhead < -DAYS_BACK || daysAhead > DAYS_AHEAD) return UNDATED;
  return new Date(ts).toISOString().slice(0, 10);
}
