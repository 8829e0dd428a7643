// A service that fills its disk until it is killed: `full-disk-process.ts VAR_DIR FIRST`. Numbers its records from
// FIRST on, and says of each commit that was acknowledged `[kind, id, number]` of its records.

import { randomBytes } from 'node:crypto';
import { Wal } from '../../lib/wal.js';

const [varDir, first] = process.argv.slice(2);
if (varDir === undefined) throw new TypeError('expected the VAR_DIR');

const wal = await Wal.open<Record<string, object>>({
  service: 'lab',
  varDir,
  adopt: false,
  maxBytes: 1024 * 1_048_576,
  maxAgeMs: 1e12,
});
process.send?.('open');
let number = Number(first);

async function append(kind: string, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, () => number++);
  const records = numbers.map((n) => ({ n, text: randomBytes(6144).toString('base64') }));
  try {
    const places = await wal.appendMany(kind, records);
    process.send?.(places.map(({ id }, at) => [kind, id, numbers[at]]));
  } catch {
    // Refused, or unknown: nothing was promised.
  }
}

for (;;) {
  await Promise.all([append('log', 60), append('audit', 1), append('audit', 1)]);
  await new Promise((resolve) => setImmediate(resolve));
}
