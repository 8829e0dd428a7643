// A process that has nothing to do but to await a delayed append: `delaying-process.ts DIR`. Says the seq. A log
// alone: whatever else a service opens may keep it alive.

import { systemClock } from '../../lib/clock.js';
import { openLog } from '../helpers/log.js';

const [dir] = process.argv.slice(2);
if (dir === undefined) throw new TypeError('expected the folder of the log');
const log = await openLog(dir, systemClock);
const [place] = await log.append([{ kind: 'log', records: ['{}'] }], 2, 50);
process.send?.(place!.firstSeq);
await log.close();
