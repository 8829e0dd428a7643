// A service on Express 5 that audits its requests, delivers the events, and ends cleanly on SIGTERM.
//
//   VAR_DIR=var WAL_BASE_URL=… WAL_S2S_ISSUER=… WAL_S2S_AUDIENCE=… WAL_S2S_SECRET=… npx tsx test/examples/express/service.ts
//
// In a service of your own, import from '@nv/wal', '@nv/wal/express' and '@nv/wal/shutdown'.

import type { AddressInfo } from 'node:net';
import express from 'express';
import { auditRequests } from '../../../lib/adapters/express.js';
import { gracefulShutdown } from '../../../lib/adapters/shutdown.js';
import { Wal, httpSink, walOptionsFromEnv } from '../../../lib/index.js';
import { pay, watch } from '../bank.js';

const options = walOptionsFromEnv('payments');
const wal = await Wal.open(options);
if (options.sink) wal.ship('audit', httpSink(options.sink));

const app = express();
// Before everything else: from here on, no answer without its two events on disk.
app.use(
  auditRequests({
    wal,
    service: 'payments',
    actor: (request) => request.headers.authorization && 'a customer',
    failClosed: true,
    onEvent: (event) => console.error(event),
  }),
);
app.use(express.json());
app.get('/health', (_request, response) => void response.json(wal.health()));
app.post('/accounts/:account/payouts', async (request, response) => {
  const { cents } = request.body as { cents: number };
  response.status(201).json(await pay(request.params.account, cents));
});
app.get('/accounts/:account/balance', (request, response) => {
  // An event stream, until the client leaves: that request's outcome is `aborted`.
  response.type('text/event-stream');
  watch(request.params.account).pipe(response);
});

const server = app.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
gracefulShutdown({ wal, servers: [server], drainMs: 10_000 });
