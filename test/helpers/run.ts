// `npm test [-- PART-OF-A-PATH…]`: runs the tests below test/, all or those whose path contains a part.

import { compileAll } from './compile.js';
import { killRunning, runTests } from './runner.js';

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killRunning();
    process.exit(1);
  });
}
await compileAll();
process.exitCode = (await runTests({ root: 'test', filters: process.argv.slice(2) })) ? 0 : 1;
