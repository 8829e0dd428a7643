// A process that imports a file, to be killed in the midst of it: `importing-process.ts VAR_DIR FILE`. Says how many
// records are in the log, again and again, and last what the import reported.

import { Wal } from '../../lib/wal.js';

const [varDir, file] = process.argv.slice(2);
if (varDir === undefined || file === undefined) throw new TypeError('expected VAR_DIR and FILE');
const wal = await Wal.open({ service: 'test', varDir, reserveBytes: 0, adopt: false });
let told = 0;
const report = await wal.import([file], {
  kind: 'log',
  onProgress: ({ imported }) => {
    if (imported > told) process.send?.((told = imported));
  },
});
process.send?.(report);
await wal.close();
