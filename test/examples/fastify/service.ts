// A service on Fastify 5 that audits its requests, delivers the events, and ends cleanly on SIGTERM.
//
//   VAR_DIR=var WAL_BASE_URL=… WAL_S2S_ISSUER=… WAL_S2S_AUDIENCE=… WAL_S2S_SECRET=… npx tsx test/examples/fastify/service.ts
//
// In a service of your own, import from '@nv/wal', '@nv/wal/fastify' and '@nv/wal/shutdown'.

import fastify from 'fastify';
import { auditRequests } from '../../../lib/adapters/fastify.js';
import { gracefulShutdown } from '../../../lib/adapters/shutdown.js';
import { Wal, httpSink, walOptionsFromEnv } from '../../../lib/index.js';
import { pay, watch } from '../bank.js';

interface Account {
  Params: { account: string };
}

const options = walOptionsFromEnv('payments');
const wal = await Wal.open(options);
if (options.sink) wal.ship('audit', httpSink(options.sink));

// What arrives on open connections while it closes is answered, and audited, as everything else.
const app = fastify({ return503OnClosing: false });
// Before everything else: from here on, no answer without its two events on disk.
await app.register(auditRequests, {
  wal,
  service: 'payments',
  actor: (request) => request.headers.authorization && 'a customer',
  failClosed: true,
  onEvent: (event) => console.error(event),
});
app.get('/health', () => wal.health());
app.post<Account & { Body: { cents: number } }>('/accounts/:account/payouts', async (request, reply) => {
  const paid = await pay(request.params.account, request.body.cents);
  return reply.code(201).send(paid);
});
app.get<Account>('/accounts/:account/balance', (request, reply) => {
  // An event stream, until the client leaves: that request's outcome is `aborted`.
  void reply.type('text/event-stream').send(watch(request.params.account));
});

gracefulShutdown({ wal, servers: [app], drainMs: 10_000 });
console.log(
  `listening on ${await app.listen({ port: Number(process.env['PORT'] ?? 0), host: '127.0.0.1' })}`,
);
