// A worker that pays what it reads, a line `ACCOUNT CENTS` each, and audits each payout as an operation: begun before
// the bank is asked, ended with what it said. If it dies in between, the payout shows as begun and never ended, and
// somebody asks the bank.
//
//   echo 'account-7 1200' | VAR_DIR=var WAL_BASE_URL=… … npx tsx test/examples/audit/worker.ts
//
// In a service of your own, import from '@nv/wal', '@nv/wal/audit' and '@nv/wal/shutdown'.

import { createInterface } from 'node:readline';
import { createAudit } from '../../../lib/adapters/audit.js';
import { gracefulShutdown } from '../../../lib/adapters/shutdown.js';
import { Wal, httpSink, walOptionsFromEnv } from '../../../lib/index.js';
import { pay } from '../bank.js';

const options = walOptionsFromEnv('payouts');
const wal = await Wal.open(options);
if (options.sink) wal.ship('audit', httpSink(options.sink));
const audit = createAudit({ wal, service: 'payouts' });
const shutdown = gracefulShutdown({ wal, drainMs: 10_000 });

for await (const line of createInterface(process.stdin)) {
  const [account = '', cents = ''] = line.split(' ');
  const payout = await audit.begin({ actor: 'payout-worker', action: 'payout', resource: account });
  console.log(`begun ${account}`);
  try {
    const paid = await pay(account, Number(cents));
    await payout.end({ outcome: 'ok', data: paid });
    console.log(`paid ${account}`);
  } catch (error) {
    await payout.end({ outcome: 'failed', data: { why: String(error) } });
    console.log(`failed ${account}`);
  }
}
await shutdown.begin();
