// What must not compile. Checked by `npm run check:types`; never run.

import { createServer } from 'node:http';
import express from 'express';
import type { Request } from 'express';
import fastify from 'fastify';
import { createAudit, unended } from '../../lib/adapters/audit.js';
import { auditRequests as auditExpress } from '../../lib/adapters/express.js';
import { auditRequests as auditFastify } from '../../lib/adapters/fastify.js';
import { gracefulShutdown } from '../../lib/adapters/shutdown.js';
import { Wal } from '../../lib/index.js';
import type { AuditRecord } from '../../lib/index.js';

interface Kinds {
  audit: AuditRecord;
  billing: { invoice: string };
}

const subject = { actor: 'me', action: 'look', resource: 'door' };

export async function auditIsTyped(): Promise<void> {
  const wal = await Wal.open<Kinds>({ service: 'types', streams: { billing: { whenFull: 'reject' } } });
  const audit = createAudit({ wal, service: 'types' });
  const { id } = await audit.record({ ...subject, outcome: 'ok', ctx: { requestId: 'r' }, data: 1 });
  id.slice(1);
  // @ts-expect-error what came of it is missing
  await audit.record(subject);
  // @ts-expect-error who did it is missing
  await audit.record({ action: 'look', resource: 'door', outcome: 'ok' });
  // @ts-expect-error a member too much
  await audit.record({ ...subject, outcome: 'ok', severity: 3 });
  // @ts-expect-error an actor is a name or an object
  await audit.record({ ...subject, actor: 7, outcome: 'ok' });
  // @ts-expect-error the link between begin and end is not the caller's
  await audit.record({ ...subject, outcome: 'ok', ctx: { operation: 'mine' } });
  // @ts-expect-error an operation that begins has no outcome yet
  await audit.begin({ ...subject, outcome: 'ok' });
  interface User {
    id: string;
  }
  const user: User = { id: 'u-1' };
  const anything: Record<string, unknown> = { door: 7 };
  await audit.begin({ ...subject, actor: user, resource: anything, ctx: anything });
  // @ts-expect-error the promise of an actor is none
  await audit.begin({ ...subject, actor: Promise.resolve(user) });
  const operation = await audit.begin(subject);
  await operation.end({ outcome: 'ok', resource: { door: 7 } });
  // @ts-expect-error what came of it is missing
  await operation.end({});
  // @ts-expect-error it is the operation that ends, not another one
  await operation.end({ outcome: 'ok', action: 'leave' });
  for await (const { operation: begun, record } of unended(wal.read('audit')))
    begun.slice(record.action.length);
  // @ts-expect-error neither lines nor records
  unended([1, 2]);
  // @ts-expect-error no service
  createAudit({ wal });
  const logOnly = await Wal.open<{ billing: { invoice: string } }>({ service: 'types' });
  // @ts-expect-error a log without an audit stream
  createAudit({ wal: logOnly, service: 'types' });
}

export async function shutdownIsTyped(): Promise<void> {
  const wal = await Wal.open<Kinds>({ service: 'types', streams: { billing: { whenFull: 'reject' } } });
  gracefulShutdown({ wal, servers: [createServer(), fastify()], onDone: ({ code }) => code.toFixed() });
  // @ts-expect-error a log is what it is about
  gracefulShutdown({ servers: [] });
  // @ts-expect-error nothing that closes
  gracefulShutdown({ wal, servers: [{}] });
  // @ts-expect-error no such signal
  gracefulShutdown({ wal, signals: ['SIGNAL'] });
}

export async function expressIsTyped(): Promise<void> {
  const wal = await Wal.open({ service: 'types' });
  const common = { wal, service: 'types' };
  const app = express();
  const audit = auditExpress<Request>({
    ...common,
    actor: (request) => request.get('x-user'),
    failClosed: true,
  });
  app.use(auditExpress(common), audit);
  app.get('/items/:id', audit, (_, response) => void response.json('fine'));
  audit.failures.toFixed();
  // @ts-expect-error the promise of an actor is none
  auditExpress({ ...common, actor: async () => 'me' });
  // @ts-expect-error no such option
  auditExpress({ ...common, failOpen: true });
  // @ts-expect-error nothing that routes are told by
  auditExpress({ ...common, route: () => 7 });
  // @ts-expect-error no log
  auditExpress({ service: 'types' });
  auditExpress({
    ...common,
    onEvent: (event) => event.type === 'audit-recovered' && event.failures.toFixed(),
  });
}

export async function fastifyIsTyped(): Promise<void> {
  const wal = await Wal.open({ service: 'types' });
  const common = { wal, service: 'types' };
  const app = fastify();
  await app.register(auditFastify, { ...common, actor: (request) => ({ name: request.hostname }) });
  app.auditFailures().toFixed();
  // @ts-expect-error no log
  await app.register(auditFastify, { service: 'types' });
  // @ts-expect-error yes is no boolean
  await app.register(auditFastify, { ...common, failClosed: 'yes' });
  // @ts-expect-error an actor is a name or an object
  await app.register(auditFastify, { ...common, actor: () => 7 });
}
