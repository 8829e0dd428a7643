import type { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import fastify from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { auditRequests } from '../../lib/adapters/fastify.js';
import { rejectsWith } from '../helpers/rejection.js';
import type { AnyRequest, Options } from './http/contract.js';
import { SECRET, TEXT, claims, pieces, withService } from './http/contract.js';

const it = suite('adapters/fastify');

async function listen(options: Options, build: (app: FastifyInstance) => void) {
  const app = fastify({ forceCloseConnections: true });
  await app.register(auditRequests, options as never);
  build(app);
  return {
    url: await app.listen({ port: 0, host: '127.0.0.1' }),
    failures: () => app.auditFailures(),
    close: () => app.close(),
  };
}

claims(it, (options: Options, handled: EventEmitter) =>
  listen(options, (app) => {
    app.get<{ Params: { id: string } }>('/items/:id', (request, reply) => {
      handled.emit('handled', 'items');
      void reply.send({ id: request.params.id });
    });
    app.post('/login', async (request, reply) => {
      (request as AnyRequest).user = 'u-1';
      return reply.code(204).send();
    });
    app.get('/throws', async () => await Promise.reject(new Error(`not ${SECRET}`)));
    app.get('/teapot', (_, reply) => void reply.code(418).send('short and stout'));
    app.get('/chunks', (_, reply) => void reply.send(pieces()));
    app.get('/sized', (_, reply) => void reply.header('content-length', TEXT.length).send(pieces()));
    app.get('/never', () => void handled.emit('handled', 'never'));
    app.get('/health', (_, reply) => void reply.type('application/json').send('"fine"'));
  }),
);

it('routes of plugins have their prefix; later hooks decide what is told; what bypasses replies is told, too', async () => {
  await withService(
    (common) =>
      listen(common, (app) => {
        app.addHook('onSend', async (request, reply) => {
          if (request.url.endsWith('changed')) void reply.code(202);
        });
        void app.register(
          async (inner) => {
            inner.get('/:token/changed', async () => 'ok');
            inner.get('/hijacked', (_, reply) => void reply.hijack().raw.writeHead(201).end('raw'));
            inner.get('/web', (_, reply) => reply.send(Readable.toWeb(pieces())));
            inner.get('/twice', async (_, reply) => {
              void reply.send('once');
              return 'twice';
            });
          },
          { prefix: '/tenants/:tenant' },
        );
      }),
    {},
    async ({ url, audit }) => {
      for (const path of [`${SECRET}/changed`, 'hijacked', 'web', 'twice']) {
        const response = await fetch(`${url}/tenants/${SECRET}/${path}`);
        await response.text();
      }
      const ends = (await audit()).filter(({ outcome }) => outcome !== 'begun');
      assert.equal(
        ends.map(({ resource, data }) => [resource, data?.status]),
        [
          ['/tenants/:tenant/:token/changed', 202],
          ['/tenants/:tenant/hijacked', 201],
          ['/tenants/:tenant/web', 200],
          ['/tenants/:tenant/twice', 200],
        ],
      );
      assert.not.match(JSON.stringify(await audit()), SECRET);
    },
  );
});

it('a malformed path is answered by Fastify before any plugin hears of it: it has no events', async () => {
  await withService(
    (common) => listen(common, (app) => void app.get('/items/:id', async () => 'ok')),
    {},
    async ({ url, durable }) => {
      assert.is((await fetch(`${url}/items/%zz`)).status, 400);
      assert.is(durable(), 0);
    },
  );
});

it('inject has its pair, as a request over the network', async () => {
  let app: FastifyInstance | undefined;
  await withService(
    (common) => listen(common, (built) => void (app = built).get('/items/:id', async () => 'ok')),
    {},
    async ({ durable }) => {
      const { statusCode, body } = await app!.inject('/items/7');
      assert.equal([statusCode, body, durable()], [200, 'ok', 2]);
    },
  );
});

it('what does not fit is refused when it is registered', async () => {
  const app = fastify();
  const wal = { append: () => Promise.reject(new Error('unused')) };
  const registered = (async () =>
    await app.register(auditRequests, { wal, service: 'test', skip: ['health'] }))();
  await rejectsWith(registered, 'WAL_CONFIG', /expected skip/);
  await app.close();
});

it.run();
