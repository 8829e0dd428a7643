// How a test says that this machine lacks what it needs. The runner fails a file that skips without a
// reason (verdict.ts), so that a forgotten `.only` or `.skip` can't pass for a green run.

import type { Callback, Test } from 'uvu';

/**
 * `it`, or where a reason is given, a stand-in that skips the test and prints why.
 *
 * @example skipIf(it, process.getuid?.() !== 0 && 'needs root')('a full disk loses nothing', async () => …);
 */
export function skipIf<T>(
  it: Test<T>,
  reason: string | false | undefined,
): (name: string, test: Callback<T>) => void {
  if (reason === false || reason === undefined) return it;
  return (name) => {
    it.skip(name);
    process.stdout.write(`\nskipped: ${name}: ${reason}\n`);
  };
}
