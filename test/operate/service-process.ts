// A service of its own: `service-process.ts VAR_DIR PER_SECOND FILL_MIB`. Fills its log, ships the audit stream to a
// receiver that takes everything, and appends at a pace. Asked, it says how that goes.

import type { Batch } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';

const TICK_MS = 10;
const [varDir = '', perSecond = '0', fillMib = '0'] = process.argv.slice(2);

export interface Pace {
  /** Records that were acknowledged since the last time, in so many seconds. */
  acknowledged: number;
  seconds: number;
  /** Of one append, the median: ms. */
  latencyMs: number;
  /** The most memory that was seen: bytes. */
  rss: number;
  rejected: number;
}

const wal = await Wal.open<Record<string, object>>({
  service: 'live',
  varDir,
  maxBytes: 1_073_741_824,
  reserveBytes: 0,
  streams: {
    audit: { keepDeliveredBytes: 1_073_741_824 },
    spare: { whenFull: 'reject', shippers: ['default', 'given-up'] },
  },
});
const text = Array.from({ length: 150 }, (_, n) => String.fromCharCode(97 + (n % 26))).join('');
const receiver = { name: 'takes-all', send: ({ count }: Batch) => Promise.resolve({ accepted: count }) };
await wal.appendMany(
  'audit',
  Array.from({ length: 1000 }, (_, n) => ({ n })),
);
await wal.append('spare', { n: 1 });
await wal.ship('audit', receiver, { lingerMs: 0 }).idle();
for (let filled = 0; filled < Number(fillMib) * 1_048_576;) {
  // Nothing that deflating makes smaller: that many bytes are stored.
  const records = Array.from({ length: 500 }, () => ({
    noise: crypto.getRandomValues(Buffer.alloc(3072)).toString('base64'),
  }));
  await wal.appendMany('log', records);
  filled += 500 * 4096;
}

let acknowledged = 0;
let rejected = 0;
let rss = 0;
let latencies: number[] = [];
let since = performance.now();

function pace(): Pace {
  const now = performance.now();
  const sorted = latencies.toSorted((a, b) => a - b);
  const said = {
    acknowledged,
    seconds: (now - since) / 1000,
    latencyMs: sorted[sorted.length >> 1] ?? 0,
    rss,
    rejected,
  };
  [acknowledged, rss, latencies, since] = [0, 0, [], now];
  return said;
}

const began = performance.now();
let sent = 0;
setInterval(() => {
  rss = Math.max(rss, process.memoryUsage.rss());
  for (const due = ((performance.now() - began) / 1000) * Number(perSecond); sent < due; sent++) {
    const at = performance.now();
    wal.append('log', { n: sent, text }).then(
      () => {
        acknowledged++;
        latencies.push(performance.now() - at);
      },
      () => rejected++,
    );
  }
}, TICK_MS);
process.on('message', () => process.send?.(pace()));
process.send?.({ dir: wal.dir });
