import type { EventEmitter } from 'node:events';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Application, Request } from 'express';
import express from 'express';
import { request as ask } from 'undici';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { auditRequests } from '../../lib/adapters/express.js';
import type { AnyRequest, Options } from './http/contract.js';
import { SECRET, TEXT, claims, pieces, withService } from './http/contract.js';

const it = suite('adapters/express');

type Build = (app: Application, audit: ReturnType<typeof auditRequests<Request>>) => void;

async function listen(options: Options, build: Build) {
  const app = express();
  const audit = auditRequests<Request>(options as never);
  build(app, audit);
  // What goes wrong here on purpose is not for the terminal.
  app.set('env', 'test');
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failures: () => audit.failures,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

claims(it, (options: Options, handled: EventEmitter) =>
  listen(options, (app, audit) => {
    app.use(audit);
    app.get('/items/:id', (request, response) => {
      handled.emit('handled', 'items');
      response.json({ id: request.params.id });
    });
    app.post('/login', (request, response) => {
      (request as AnyRequest).user = 'u-1';
      response.sendStatus(204);
    });
    app.get('/throws', async () => await Promise.reject(new Error(`not ${SECRET}`)));
    app.get('/teapot', (_, response) => void response.sendStatus(418));
    app.get('/chunks', (_, response) => void pieces().pipe(response));
    app.get('/sized', (_, response) => void pieces().pipe(response.set('content-length', `${TEXT.length}`)));
    app.get('/never', () => void handled.emit('handled', 'never'));
    app.get('/health', (_, response) => void response.json('fine'));
  }),
);

/** Resources of the events of requests to these paths, in order. */
async function resourcesOf(build: Build, paths: string[], options: object = {}): Promise<unknown[]> {
  let resources: unknown[] = [];
  await withService(
    (common) => listen(common, build),
    options,
    async ({ url, audit }) => {
      for (const path of paths) await (await fetch(url + path)).text();
      const events = await audit();
      assert.not.match(JSON.stringify(events), SECRET);
      resources = events.map(({ resource }) => resource);
    },
  );
  return resources;
}

it('the route is the pattern, with the routers above it, also when it fails; what is asked for is nowhere', async () => {
  const build: Build = (app, audit) => {
    app.use(audit);
    const accounts = express.Router().get('/:token', (_, response) => void response.send('ok'));
    accounts.get('/:token/fail', () => {
      throw new Error('no');
    });
    const inner = express.Router().use('/accounts', accounts);
    app.use('/api', inner);
    app.use('/tenants/:tenant', accounts);
    app.get(/^\/re.*/, (_, response) => void response.send('ok'));
    app.get(['/a/:x', '/b/:x'], (_, response) => void response.send('ok'));
  };
  const paths = ['api/accounts/@', 'api/accounts/@/fail', 'tenants/@/@', 're/@', 'b/@', '@'];
  const found = await resourcesOf(
    build,
    paths.map((path) => `/${path.replaceAll('@', SECRET)}`),
  );
  assert.equal(
    found.filter((_, index) => index % 2 === 1),
    [
      '/api/accounts/:token',
      '/api/accounts/:token/fail',
      '/…/:token',
      '/^\\/re.*/',
      '/a/:x or /b/:x',
      'unknown',
    ],
  );
  assert.equal(new Set(found.filter((_, index) => index % 2 === 0)), new Set(['unknown']));
});

it('a path that is malformed is refused with a pair', async () => {
  const build: Build = (app, audit) => {
    app.use(audit);
    app.get('/items/:id', (_, response) => void response.send('ok'));
  };
  assert.equal(await resourcesOf(build, [`/items/%zz${SECRET}`]), ['unknown', 'unknown']);
});

it('on the route itself the begin event knows it, and a request that meets it twice has one pair', async () => {
  const build: Build = (app, audit) => {
    app.get('/items/:id', audit, audit, (_, response) => void response.send('ok'));
  };
  assert.equal(await resourcesOf(build, ['/items/7']), ['/items/:id', '/items/:id']);
});

it('the route option wins, where it says something', async () => {
  const build: Build = (app, audit) => {
    app.use(audit);
    app.get('/items/:id', (_, response) => void response.send('ok'));
  };
  const route = (request: Request) => (request.path.startsWith('/items/1') ? 'item one' : undefined);
  assert.equal(await resourcesOf(build, ['/items/1', '/items/2'], { route }), [
    'item one',
    'item one',
    'unknown',
    '/items/:id',
  ]);
});

it('files arrive whole, and what has no body at all', async () => {
  const build: Build = (app, audit) => {
    app.use(audit);
    app.use(express.static(new URL('.', import.meta.url).pathname));
  };
  await withService(
    (common) => listen(common, build),
    {},
    async ({ url, durable }) => {
      const response = await fetch(`${url}/express.test.ts`);
      const text = await response.text();
      assert.is(Number(response.headers.get('content-length')), Buffer.byteLength(text));
      assert.is((await fetch(`${url}/express.test.ts`, { method: 'HEAD' })).status, 200);
      const etag = response.headers.get('etag')!;
      const fresh = await ask(`${url}/express.test.ts`, { headers: { 'if-none-match': etag } });
      assert.equal([fresh.statusCode, await fresh.body.text()], [304, '']);
      assert.is(durable(), 6);
    },
  );
});

it('what does not fit is refused when it is made', () => {
  const wal = { append: () => Promise.reject(new Error('unused')) };
  const options = { wal, service: 'test' };
  assert.throws(() => auditRequests({ ...options, skip: ['health'] }), /expected skip to be a list of paths/);
  assert.throws(() => auditRequests({ ...options, failClosed: 'yes' as never }), /expected failClosed/);
  assert.throws(
    () => auditRequests({ ...options, maxWaitMs: 0 }),
    /expected maxWaitMs to be an integer from 1/,
  );
  assert.throws(() => auditRequests({ ...options, actor: 'me' as never }), /expected actor to be a function/);
  assert.throws(() => auditRequests({ service: 'test' } as never), /expected wal to be an open Wal/);
});

it.run();
