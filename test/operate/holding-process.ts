// A service that holds its log until it is killed: `holding-process.ts VAR_DIR`. Says where the log is, with one record in it.

import { Wal } from '../../lib/wal.js';

const [varDir = ''] = process.argv.slice(2);
const wal = await Wal.open<Record<string, object>>({ service: 'test', varDir, reserveBytes: 0 });
await wal.append('log', { n: 1 });
process.send?.(wal.dir);
process.on('message', () => {});
