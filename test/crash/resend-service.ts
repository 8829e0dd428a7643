// A service that appends some records of both kinds and ships them, for resend.test.ts to end in the midst of it.
//
// Arguments: VAR_DIR, and the receiver's URL, issuer, audience and secret.

import { Wal, httpSink } from '../../lib/index.js';

const [varDir = '', baseUrl = '', issuer = '', audience = '', secret = ''] = process.argv.slice(2);

const wal = await Wal.open<Record<'log' | 'audit', object>>({
  service: 'crash',
  varDir,
  reserveBytes: 0,
  adopt: false,
});
for (let n = 0; n < 30; n++) {
  await wal.appendMany(
    'audit',
    Array.from({ length: 10 }, (_, m) => ({ n, m, text: 'é'.repeat(m) })),
  );
}
const sink = httpSink({ baseUrl, token: { issuer, audience, secret } });
await wal.ship('audit', sink, { batchMax: 120 }).idle();
