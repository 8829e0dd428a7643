// A process that holds a log until it is killed: `holding-process.ts DIR`. Says when it does.

import { systemClock } from '../../lib/clock.js';
import { openLog } from '../helpers/log.js';

const [dir] = process.argv.slice(2);
if (dir === undefined) throw new TypeError('expected the folder of the log');
await openLog(dir, systemClock);
process.send?.('open');
process.on('message', () => {});
