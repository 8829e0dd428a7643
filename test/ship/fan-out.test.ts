// One stream to two real destinations, one of which is down: each cursor has its own ledger and its own breaker, and
// data stays until both have passed it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { httpSink, jetStreamSink } from '../../lib/index.js';
import { STREAM, natsMissing, startNats } from '../helpers/nats.js';
import { withReceiver } from '../helpers/receiver.js';
import { skipIf } from '../helpers/skip.js';
import { turns, until } from '../helpers/until.js';
import { auditRecord, withWal } from '../helpers/wal.js';

const suiteOf = suite('ship/fan-out');
const it = (name: string, test: () => Promise<void>) => skipIf(suiteOf, natsMissing)(name, test);

const RECORDS = 300;

it('with one of two destinations down, the other goes on, and data stays until both have it', async () => {
  const broker = await startNats();
  try {
    await broker.addStream();
    await withReceiver({}, async ({ url, issuer, audience, secret, store }) => {
      const streams = { audit: { shippers: ['http', 'nats'] } };
      await withWal({ streams }, async (wal, { clock }) => {
        const cursor = (name: string) => wal.stats().streams['audit']!.shippers[name]!;
        const append = () =>
          wal.appendMany(
            'audit',
            Array.from({ length: RECORDS }, (_, n) => auditRecord(n)),
          );
        const receipts = [...(await append())];
        const token = { issuer, audience, secret };
        const http = wal.ship('audit', httpSink({ baseUrl: url, token }), { name: 'http', lingerMs: 0 });
        const sink = jetStreamSink({ servers: broker.servers, user: broker.user, stream: STREAM }, clock);
        const nats = wal.ship('audit', sink, { name: 'nats', lingerMs: 0, batchMax: 100 });
        await Promise.all([http.idle(), nats.idle()]);
        assert.is(wal.stats().streams['audit']!.firstSeq, RECORDS + 1);

        await broker.kill();
        receipts.push(...(await append()));
        await http.idle();
        while (cursor('nats').state !== 'open') {
          clock.advance(1_000);
          await turns(1);
        }
        // Nothing of the one is the other's: not the breaker, not the position, not the ledger.
        assert.is(http.state.at, 'idle');
        const ledgerOf = (name: string) => {
          const { seq, delivered, backlogRecords, dropped, quarantined, lost } = cursor(name);
          return { seq, delivered, backlogRecords, others: dropped + quarantined + lost };
        };
        const settled = { seq: 2 * RECORDS, delivered: 2 * RECORDS, backlogRecords: 0, others: 0 };
        assert.equal(ledgerOf('http'), settled);
        assert.equal(ledgerOf('nats'), {
          seq: RECORDS,
          delivered: RECORDS,
          backlogRecords: RECORDS,
          others: 0,
        });
        assert.is(wal.stats().streams['audit']!.firstSeq, RECORDS + 1);

        await broker.start();
        while (cursor('nats').backlogRecords > 0) {
          clock.advance(1_000);
          await turns(1);
        }
        await until(() => wal.stats().streams['audit']!.firstSeq === 2 * RECORDS + 1);
        assert.equal(ledgerOf('nats'), settled);
        assert.ok((await wal.verify()).ok);

        const ids = receipts.map(({ id }) => id);
        const { logId } = wal.stats();
        assert.equal(
          (await broker.read(`wal.${logId}.audit`)).map(({ id }) => id),
          ids,
        );
        assert.is(await store.count('audit'), ids.length);
      });
    });
  } finally {
    await broker.stop();
  }
});

suiteOf.run();
