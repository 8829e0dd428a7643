// How long the crash lab runs: a share of it within `npm test`, all of it within `npm run test:crash` (main.ts).

import { randomInt } from 'node:crypto';

/** Set by main.ts: everything runs in its long form. */
export const isLong = process.env['WAL_CRASH_LONG'] === '1';

/** How often to do something: `short` within `npm test`, `long` within `npm run test:crash`. */
export function rounds(short: number, long: number): number {
  return isLong ? long : short;
}

/** What `npm test` draws from: a change is judged by what it does, not by the luck of the draw. */
const SHORT_SEED = 20_261_124;

/**
 * What a file's random choices begin with: the same in every short form, another one in every long form.
 * `WAL_SEED` brings a failing run back. Print it.
 */
export function seedOfRun(): number {
  const given = process.env['WAL_SEED'];
  if (given !== undefined) return Number(given);
  return isLong ? randomInt(2 ** 31) : SHORT_SEED;
}
