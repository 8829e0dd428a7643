// `npm run test:crash [-- [--seed N] PART-OF-A-PATH…]`: the crash lab in its long form, every *.test.ts of this
// folder or those whose path contains a part. The short form is a part of `npm test`.

import { parseArgs } from 'node:util';
import { compileAll } from '../helpers/compile.js';
import { findTests, killRunning, runTests } from '../helpers/runner.js';

const ROOT = 'test/crash';
/** One file at a time has the machine to itself; the longest takes about a quarter of an hour on two cores. */
const LIMIT_MS = 45 * 60_000;

const { values, positionals } = parseArgs({ options: { seed: { type: 'string' } }, allowPositionals: true });
if (values.seed !== undefined && !/^\d{1,10}$/.test(values.seed)) {
  throw new TypeError(`expected --seed to be a number, got ${values.seed}`);
}
if (findTests(ROOT, positionals).length === 0)
  throw new TypeError(`no test of ${ROOT} matches ${positionals.join(' or ')}`);

// The tests are processes of their own: this is how they know.
process.env['WAL_CRASH_LONG'] = '1';
if (values.seed !== undefined) process.env['WAL_SEED'] = values.seed;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killRunning();
    process.exit(1);
  });
}
await compileAll();
const passed = await runTests({ root: ROOT, filters: positionals, limitMs: LIMIT_MS, jobs: 1 });
process.exitCode = passed ? 0 : 1;
