// How options are checked: each check returns the value or throws what names the option, the value, and what
// was expected. Knows no options.

import { WalError } from './errors.js';

/** A misspelt option must not silently mean its default. */
export function checkKnown(what: string, given: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(given)) {
    if (!known.has(name)) {
      throw new WalError('WAL_CONFIG', `${what} has no '${name}'; known are ${[...known].join(', ')}`);
    }
  }
}

export function checkInteger(
  option: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`;
  throw expected(option, `an integer ${range}`, value);
}

export function expected(option: string, what: string, got: unknown): WalError {
  return new WalError('WAL_CONFIG', `expected ${option} to be ${what}, got ${show(got)}`);
}

function show(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 100);
  } catch {
    return typeof value;
  }
}
