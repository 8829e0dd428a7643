// What a promise was rejected with: uvu asserts on throws, not on rejections.

import * as assert from 'uvu/assert';
import type { WalErrorCode } from '../../lib/errors.js';
import { WalError } from '../../lib/errors.js';

export async function rejection(promise: Promise<unknown>): Promise<Error> {
  let resolved: unknown;
  try {
    resolved = await promise;
  } catch (error) {
    assert.instance(error, Error);
    return error as Error;
  }
  return assert.unreachable(`expected a rejection, got ${JSON.stringify(resolved)}`) as never;
}

/** A rejection with this code; its message holds what is given. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: WalErrorCode,
  ...says: (string | RegExp)[]
): Promise<WalError> {
  const error = await rejection(promise);
  if (!(error instanceof WalError)) throw error;
  assert.is(error.code, code, error.message);
  for (const text of says) assert.match(error.message, text);
  return error;
}
