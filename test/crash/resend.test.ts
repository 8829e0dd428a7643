// A crash between the post and its acknowledgement: the receiver has the batch, the log does not know. It comes
// again as it was, and the receiver knows it by its ids.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal, httpSink } from '../../lib/index.js';
import type { IngestAnswer } from '../../lib/ingest/index.js';
import { withChild } from '../helpers/child.js';
import type { Child } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { withReceiver } from '../helpers/receiver.js';

const it = suite('crash/resend');

const SCRIPT = new URL('./resend-service.ts', import.meta.url);
const RECORDS = 300;

it('a crash after the post and before the acknowledgement sends the same batch again, under the same ids', async () => {
  const answers: { key: string; body: string; answer: IngestAnswer }[] = [];
  let victim: Child | undefined;
  const intercept = async (
    request: Request,
    receive: (request: Request) => Promise<Response>,
  ): Promise<Response> => {
    const key = request.headers.get('idempotency-key') ?? '';
    const body = Buffer.from(await request.clone().arrayBuffer()).toString('base64');
    const response = await receive(request);
    answers.push({ key, body, answer: (await response.clone().json()) as IngestAnswer });
    // The second batch is stored and its answer on its way, when the service dies.
    if (answers.length === 2) await victim?.kill();
    return response;
  };
  await withReceiver({ intercept }, async ({ url, issuer, audience, secret, store }) => {
    await withFolder(async (varDir) => {
      await withChild(SCRIPT, [varDir, url, issuer, audience, secret], async (child) => {
        victim = child;
        assert.is(await child.ended, 'SIGKILL');
      });
      const [first, last] = answers;
      assert.is(answers.length, 2);

      await using wal = await Wal.open({ service: 'crash', varDir, reserveBytes: 0, adopt: false });
      // The first one may have been acknowledged or not; the second one can't have been.
      const { delivered } = wal.stats().streams['audit']!.shippers['default']!;
      assert.ok(delivered === 0 || delivered === first!.answer.accepted);
      const sink = httpSink({ baseUrl: url, token: { issuer, audience, secret } });
      await wal.ship('audit', sink, { batchMax: 120 }).idle();

      const again = answers.slice(2).find(({ key }) => key === last!.key);
      assert.is(again?.body, last!.body, 'the same bytes, compressed as they were');
      assert.equal(again?.answer, { accepted: 0, duplicates: last!.answer.accepted, rejected: [] });
      assert.is(await store.count('audit'), RECORDS);
      const after = wal.stats().streams['audit']!;
      assert.equal([after.shippers['default']!.delivered, after.storedBytes], [RECORDS, 0]);
      assert.ok((await wal.verify()).ok);
    });
  });
});

it.run();
