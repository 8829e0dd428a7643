// A process that has nothing to do but to await a delayed append: `delaying-process.ts VAR_DIR`. Says the seq.

import { Wal } from '../../lib/wal.js';

const [varDir] = process.argv.slice(2);
if (varDir === undefined) throw new TypeError('expected VAR_DIR');
const streams = { log: { commitDelayMs: 50 } };
const wal = await Wal.open({ service: 'test', varDir, streams, reserveBytes: 0, adopt: false });
const { seq } = await wal.append('log', { ts: 1, service: 'test', level: 'info' });
process.send?.(seq);
await wal.close();
