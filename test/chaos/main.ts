// `npm run test:chaos [-- [--seed N] [--records N] PART-OF-A-PATH…]`: the chaos test in its long form, with 100,000
// records and a seed of its own each time. The short form is a part of `npm test`.

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { compileAll } from '../helpers/compile.js';
import { killRunning, runTests } from '../helpers/runner.js';

const ROOT = 'test/chaos';
const LIMIT_MS = 45 * 60_000;

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, records: { type: 'string', default: '100000' } },
  allowPositionals: true,
});
for (const value of [values.seed, values.records]) {
  if (value !== undefined && !/^\d{1,9}$/.test(value)) throw new TypeError(`expected a number, got ${value}`);
}

// The tests are processes of their own: this is how they know.
const seed = values.seed ?? String(randomInt(2 ** 31));
process.env['WAL_SEED'] = seed;
process.env['WAL_CHAOS_RECORDS'] = values.records;
process.stdout.write(`seed ${seed}\n`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killRunning();
    process.exit(1);
  });
}
await compileAll();
const passed = await runTests({ root: ROOT, filters: positionals, limitMs: LIMIT_MS, jobs: 1 });
process.exitCode = passed ? 0 : 1;
