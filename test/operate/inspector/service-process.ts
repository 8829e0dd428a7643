// A service that holds a log, for a page to look at: `service-process.ts VAR_DIR`. Does what it is told by messages:
// `down`, `up`: what its destination does; a number: append so many; anything else: append that record, to a stream
// that nobody delivers where it is a trace. Answers when it is done.

import { EventEmitter, once } from 'node:events';
import { systemClock } from '../../../lib/clock.js';
import type { Clock } from '../../../lib/clock.js';
import { SinkError } from '../../../lib/ship/sink.js';
import type { Batch, Receipt, Sink } from '../../../lib/ship/sink.js';
import { Wal } from '../../../lib/wal.js';
import { until } from '../../helpers/until.js';

const [varDir = ''] = process.argv.slice(2);
const hurry = new EventEmitter().setMaxListeners(0);
let isDown = false;
let skippedMs = 0;
let count = 0;

/** The real one, but no wait is longer than a test's. */
const clock: Clock = {
  now: systemClock.now,
  monotonic: () => systemClock.monotonic() + skippedMs,
  async sleep(ms, signal) {
    const over = new AbortController();
    const ends = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
    const hurried = once(hurry, 'hurry', { signal: ends }).catch(() => {});
    await Promise.race([systemClock.sleep(ms, ends), hurried]);
    over.abort();
  },
};

function skip(): void {
  skippedMs += 60_000;
  hurry.emit('hurry');
}

/** Refuses what says so of itself, and takes the rest. */
const sink: Sink = {
  name: 'test',
  async send(batch: Batch): Promise<Receipt> {
    if (isDown) throw new SinkError('outage', 'connect ECONNREFUSED 10.0.0.7:443');
    const lines = (await batch.lines()).toString().split('\n').slice(0, -1);
    const rejected = lines
      .filter((line) => line.includes('"refuse":true'))
      .map((line) => ({ id: (JSON.parse(line) as { id: string }).id, reason: 'amount must be <= 100' }));
    return { accepted: batch.count - rejected.length, rejected };
  },
};

const wal = await Wal.open<Record<string, object>>({
  service: 'gateway',
  varDir,
  clock,
  reserveBytes: 0,
  adopt: false,
  streams: {
    log: { whenFull: 'drop-oldest', keepDeliveredBytes: 8_388_608 },
    trace: { whenFull: 'drop-oldest' },
  },
});
const shipper = wal.ship('log', sink, { lingerMs: 0 });

process.on('message', (message) => void obey(message).then(() => process.send?.('done')));
process.send?.(wal.dir);

async function obey(message: unknown): Promise<void> {
  if (message === 'down') isDown = true;
  else if (message === 'up') {
    isDown = false;
    skip();
  } else if (message === 'open') {
    // Fails again and again until the breaker opens.
    await until(() => {
      if (shipper.state.at === 'waiting') skip();
      return shipper.state.at === 'open';
    });
  } else if (typeof message === 'number') await appendRequests(message);
  else await wal.append(Object.hasOwn(message as object, 'span') ? 'trace' : 'log', message as object);
}

async function appendRequests(many: number): Promise<void> {
  const records = Array.from({ length: many }, () => {
    const n = ++count;
    const request = { level: 'info', msg: `GET /orders/${n}`, status: 200, ms: (n * 7) % 90 };
    return { ts: clock.now(), service: 'gateway', ...request };
  });
  await wal.appendMany('log', records);
}
