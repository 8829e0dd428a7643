// A service that appends from many producers at once, for kill.test.ts to end at any moment. Every id goes into a
// file as soon as its append has resolved, and before anything else happens: what stands there was acknowledged.
//
// Arguments: VAR_DIR, the file, and, where it should ship at once, the receiver's URL, issuer, audience and secret.
// It opens the log when it is told to, so that several of them can start up together and take their turns.

import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import type { AppendReceipt } from '../../lib/index.js';
import { Wal, httpSink } from '../../lib/index.js';

const PRODUCERS = 12;
const RECORDS_MAX = 30;

const [varDir = '', file = '', baseUrl, issuer = '', audience = '', secret = ''] = process.argv.slice(2);
const acknowledged = openSync(file, 'a');
process.send?.('ready');
await once(process, 'message');

// Typed as anything goes: what is in a record is not what this is about.
const wal = await Wal.open<Record<'log' | 'audit', object>>({
  service: 'crash',
  varDir,
  reserveBytes: 0,
  adopt: false,
});
if (baseUrl !== undefined) {
  const sink = httpSink({ baseUrl, token: { issuer, audience, secret } });
  // Small and at once, so that acknowledgements and deletes are always on their way, too.
  wal.ship('log', sink, { lingerMs: 0, batchMax: 200 });
  wal.ship('audit', sink, { lingerMs: 5, batchMax: 50 });
}
process.send?.('open');
await Promise.all(Array.from({ length: PRODUCERS }, (_, n) => produce(n)));

async function produce(producer: number): Promise<void> {
  for (let n = 0; ; n++) {
    const kind = (producer + n) % 3 === 0 ? 'audit' : 'log';
    if (n % 4 !== 0) acknowledge([await wal.append(kind, record(producer, n))]);
    else {
      const count = 1 + ((producer * 7 + n) % RECORDS_MAX);
      acknowledge(
        await wal.appendMany(
          kind,
          Array.from({ length: count }, () => record(producer, n)),
        ),
      );
    }
  }
}

function record(producer: number, n: number): object {
  return { ts: Date.now(), producer, n, text: 'é'.repeat(n % 200) };
}

/** One write a call: it is there whole, or not at all. */
function acknowledge(receipts: readonly AppendReceipt[]): void {
  writeSync(acknowledged, receipts.map(({ id }) => `${id}\n`).join(''));
}
