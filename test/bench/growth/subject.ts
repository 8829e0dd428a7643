// The process that holds one log of growth: `growth/subject.js`. Takes requests from its parent, one at a time.

import type { LogRecord } from '../../../lib/index.js';
import { messageOf } from '../../../lib/errors.js';
import { fill } from '../contenders/wal.js';
import { roomOf } from '../measure.js';
import { makeRecords, wireBytesPerRecord } from '../records.js';
import { TOGETHER, openLarge, timedOpen, work } from './cycle.js';
import { live } from './day.js';
import { drain } from './drain.js';
import type { GrowthReply, GrowthRequest } from './job.js';

const RECORDS = 8192;

let made: LogRecord[] | undefined;
/** Made when they are needed: a process that drains needs none, and its memory is measured. */
const records = () => (made ??= makeRecords(RECORDS));

async function answer(request: GrowthRequest): Promise<GrowthReply> {
  switch (request.is) {
    case 'fill': {
      const log = await openLarge(request.dir);
      await fill(log, records(), request.records, TOGETHER);
      await log.close();
      const wireBytes = wireBytesPerRecord(records()) * request.records;
      return { is: 'filled', diskBytes: await roomOf(request.dir), wireBytes };
    }
    case 'open': {
      const { log, openMs } = await timedOpen(request.dir);
      await log.close();
      return { is: 'opened', openMs };
    }
    case 'cycle':
      return { is: 'worked', cycle: await work(request, records()) };
    case 'drain':
      return { is: 'drained', drain: await drain(request.dir, request.sinkUrl) };
    case 'day':
      return { is: 'lived', day: await live(request, records()) };
    default:
      return request satisfies never;
  }
}

process.on('message', (request: GrowthRequest) => {
  void answer(request)
    .catch((error: unknown): GrowthReply => ({ is: 'failed', message: messageOf(error) }))
    .then((reply) => process.send?.(reply));
});
// The parent is done, or gone.
process.once('disconnect', () => process.exit());
