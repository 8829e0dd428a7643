// A shop whose logger persists what its policy service says: VAR_DIR, WAL_BASE_URL and WAL_S2S_* as everywhere, and
// POLICY_URL. Says its URL when it listens. GET /orders/:n is logged; POST /payments/:n is an audit event besides,
// which is on disk before it is answered.

import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger, remotePolicy } from '../../../lib/adapters/logger.js';
import { Wal, httpSink, walOptionsFromEnv } from '../../../lib/index.js';

const service = 'shop';
const options = walOptionsFromEnv(service);
const wal = await Wal.open({ ...options, reserveBytes: 0 });
for (const kind of ['log', 'audit'] as const) wal.ship(kind, httpSink(options.sink!));
const policy = remotePolicy({ url: process.env['POLICY_URL'] ?? '' });
const logger = createLogger({ wal, service, policy });
// What is decided holds from the first request on; where nobody answers, the default does.
await policy.refresh();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '/' } = request;
  const [, what, number] = url.split('/');
  const log = logger.bind({ category: what ?? 'none', request: request.headers['x-request-id'] });
  log.debug({ method, url }, 'asked');
  if (method === 'POST' && what === 'payments') {
    const event = { actor: 'customer', action: 'pay', resource: `order ${number}`, outcome: 'ok' };
    log.info({ number }, 'paid');
    await wal.append('audit', { ts: Date.now(), service, ...event });
  } else if (what === 'orders') {
    log.info({ number }, 'looked at');
  } else {
    log.warn({ url }, 'no such page');
    response.statusCode = 404;
  }
  response.end(`${what} ${number}\n`);
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    logger.error({ err: error }, 'no answer');
    response.writeHead(500).end();
  });
});

async function stop(): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  await closed;
  await policy.close();
  await wal.close({ drainMs: 5000 });
  process.exit(0);
}

process.once('SIGTERM', () => void stop());

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
// Whoever started it is gone.
process.once('disconnect', () => process.exit());
