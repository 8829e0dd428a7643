// A service of its own: `service-process.ts VAR_DIR PER_SECOND FILL_MIB FILL`. Fills its log, with `records` as it
// appends them or with `noise`, ships the audit stream to a receiver that takes everything, and appends at a pace. Asked,
// it says how that goes.

import type { Batch } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';

const TICK_MS = 10;
const MIB = 1_048_576;
const [varDir = '', perSecond = '0', fillMib = '0', fill = 'noise'] = process.argv.slice(2);

export interface Pace {
  /** Records that were acknowledged since the last time, in so many seconds. */
  acknowledged: number;
  seconds: number;
  /** Of one append: the median, and what one in a hundred exceeds; ms. */
  latencyMs: number;
  latencyP99Ms: number;
  /** The most memory that was seen: bytes. */
  rss: number;
  rejected: number;
}

const wal = await Wal.open<Record<string, object>>({
  service: 'live',
  varDir,
  maxBytes: 1024 * MIB,
  reserveBytes: 0,
  streams: {
    // What is filled with records stays as large, however long it is appended to.
    ...(fill === 'records' && { log: { maxBytes: Math.max(1, Number(fillMib)) * MIB } }),
    audit: { keepDeliveredBytes: 1024 * MIB },
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

/** Records that come together, and what they have of bytes. */
const FILLS: Record<string, { bytes: number; records: () => object[] }> = {
  /** As many at a time as one tick brings. */
  records: { bytes: 50 * 240, records: () => Array.from({ length: 50 }, (_, n) => ({ n, text })) },
  /** Nothing that deflating makes smaller: that many bytes are stored. */
  noise: {
    bytes: 500 * 4096,
    records: () =>
      Array.from({ length: 500 }, () => ({
        noise: crypto.getRandomValues(Buffer.alloc(3072)).toString('base64'),
      })),
  },
};
const { bytes, records } = FILLS[fill]!;
for (let filled = 0; filled < Number(fillMib) * MIB; filled += bytes) await wal.appendMany('log', records());

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
    latencyP99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
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
process.once('SIGTERM', () => process.exit());
process.on('message', () => process.send?.(pace()));
process.send?.({ dir: wal.dir });
