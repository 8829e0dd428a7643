// How adapters check their options, and what they say of a misfit. Knows no options.

import { WalError } from '../index.js';

export function expected(option: string, what: string, got: unknown): WalError {
  const shown = typeof got === 'object' || typeof got === 'function' ? typeof got : JSON.stringify(got);
  return new WalError('WAL_CONFIG', `expected ${option} to be ${what}, got ${shown}`);
}

export function checkInteger(option: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw expected(option, `an integer >= ${min}`, value);
}

/** A misspelt option must not silently mean its default. */
export function checkKnown(what: string, given: object, known: ReadonlySet<string>): void {
  const stray = Object.keys(given).find((name) => !known.has(name));
  if (stray === undefined) return;
  throw new WalError('WAL_CONFIG', `${what} has no '${stray}'; known are ${[...known].join(', ')}`);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : typeof error;
}
