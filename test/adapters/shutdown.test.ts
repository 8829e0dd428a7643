import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyReply } from 'fastify';
import fastify from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gracefulShutdown } from '../../lib/adapters/shutdown.js';
import type { ShutdownOptions, ShutdownReport } from '../../lib/adapters/shutdown.js';
import { httpSink } from '../../lib/index.js';
import { closedPort } from '../helpers/destination.js';
import { withReceiver } from '../helpers/receiver.js';
import { rejectsWith } from '../helpers/rejection.js';
import { until } from '../helpers/until.js';
import type { OpenWal } from '../helpers/wal.js';
import { auditRecord, readAll, withWal } from '../helpers/wal.js';

const it = suite('adapters/shutdown');

const CLEAN: ShutdownReport = { code: 0, serversCut: 0, backlogRecords: 0 };

/** A server whose requests wait in `arrived` to be answered. */
async function withServer(
  use: (server: Server, url: string, arrived: ServerResponse[]) => Promise<void>,
  listener?: RequestListener,
): Promise<void> {
  const arrived: ServerResponse[] = [];
  const server = createServer(listener ?? ((_request, response) => void arrived.push(response)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, arrived);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** What a client got: a status and its `connection` header, or the code of what went wrong. */
function ask(url: string, agent?: Agent): Promise<[number | string, string?]> {
  return new Promise((resolve) => {
    request(url, { agent: agent ?? false }, (response) => {
      response
        .resume()
        .once('end', () => resolve([response.statusCode ?? 0, response.headers.connection ?? '']));
    })
      .once('error', (error: NodeJS.ErrnoException) => resolve([error.code ?? error.message]))
      .end();
  });
}

/** With an `exit` that is told and does nothing. */
function shutdownOf({ wal, clock }: OpenWal, options: Partial<ShutdownOptions> = {}) {
  const codes: number[] = [];
  const shutdown = gracefulShutdown({ wal, clock, exit: (code) => codes.push(code), ...options });
  return { shutdown, codes };
}

it('the first signal closes the server, then the log; a request that is there gets its answer first', async () => {
  await withWal({}, async (wal, opened) => {
    await withServer(async (server, url, arrived) => {
      const done: ShutdownReport[] = [];
      const onDone = (report: ShutdownReport) => void done.push(report);
      const { codes } = shutdownOf(opened, { servers: [server], onDone });
      const agent = new Agent({ keepAlive: true });
      const answer = ask(url, agent);
      await until(() => arrived.length === 1);
      process.emit('SIGTERM', 'SIGTERM');
      await until(() => !server.listening);
      assert.equal(await ask(url), ['ECONNREFUSED']);
      await wal.append('audit', auditRecord(1));
      arrived[0]!.end('late, and an answer');
      assert.equal(await answer, [200, 'close']);
      await until(() => codes.length > 0);
      assert.equal([codes, done], [[0], [CLEAN]]);
      await rejectsWith(wal.append('audit', auditRecord(2)), 'WAL_CLOSED');
      assert.is((await readAll(await opened.reopen(), 'audit')).length, 1);
      agent.destroy();
    });
  });
});

it('keep-alive connections do not keep it open, nor do those whose answer had begun', async () => {
  await withWal({}, async (_wal, opened) => {
    await withServer(async (server, url, arrived) => {
      const { shutdown } = shutdownOf(opened, { servers: [server] });
      const agent = new Agent({ keepAlive: true });
      const idle = ask(url, agent);
      await until(() => arrived.length === 1);
      arrived[0]!.end();
      assert.equal(await idle, [200, 'keep-alive']);
      const begun = ask(url, new Agent({ keepAlive: true }));
      await until(() => arrived.length === 2);
      arrived[1]!.write('its headers have gone');
      const ended = shutdown.begin();
      await until(() => !server.listening);
      arrived[1]!.end();
      assert.equal(await begun, [200, 'keep-alive']);
      assert.equal(await ended, CLEAN);
    });
  });
});

it('when the time is up, requests are cut off, and what they leave behind is appended still', async () => {
  await withWal({}, async (wal, opened) => {
    await withServer(async (server, url, arrived) => {
      const { shutdown, codes } = shutdownOf(opened, { servers: [server], drainMs: 5000 });
      const answer = ask(url);
      await until(() => arrived.length === 1);
      const left = once(arrived[0]!, 'close').then(() => wal.append('audit', auditRecord(1)));
      const ended = shutdown.begin();
      await until(() => opened.clock.pending > 0);
      opened.clock.advance(5000);
      assert.equal(await answer, ['ECONNRESET']);
      assert.equal(await ended, { ...CLEAN, code: 3, serversCut: 1 });
      assert.is((await left).seq, 1);
      assert.equal(codes, [3]);
    });
  });
});

it('what a running shipper has is delivered within the time', async () => {
  await withReceiver({}, async ({ url, issuer, audience, secret, store }) => {
    await withWal({}, async (wal, opened) => {
      wal.ship('audit', httpSink({ baseUrl: url, token: { issuer, audience, secret } }), { lingerMs: 0 });
      await wal.appendMany('audit', [auditRecord(1), auditRecord(2)]);
      // Nobody ships it here: it is not this process's to deliver.
      await wal.append('log', { text: 'stays' });
      const { shutdown } = shutdownOf(opened);
      assert.equal(await shutdown.begin(), CLEAN);
      assert.is(await store.count('audit'), 2);
    });
  });
});

it('what is not delivered when the time is up is on disk for the next start', async () => {
  await withWal({}, async (wal, opened) => {
    wal.ship('audit', httpSink({ baseUrl: `http://127.0.0.1:${await closedPort()}` }));
    await wal.append('audit', auditRecord(1));
    const { shutdown } = shutdownOf(opened, { drainMs: 0 });
    assert.equal(await shutdown.begin(), { ...CLEAN, code: 3, backlogRecords: 1 });
    assert.is((await readAll(await opened.reopen(), 'audit')).length, 1);
  });
});

it('a second signal ends it at once; an echo of the first does not', async () => {
  await withWal({}, async (_wal, opened) => {
    await withServer(async (server, url, arrived) => {
      const { shutdown, codes } = shutdownOf(opened, { servers: [server] });
      const answer = ask(url);
      await until(() => arrived.length === 1);
      process.emit('SIGINT', 'SIGINT');
      process.emit('SIGINT', 'SIGINT');
      assert.equal(codes, []);
      opened.clock.advance(301);
      process.emit('SIGINT', 'SIGINT');
      process.emit('SIGTERM', 'SIGTERM');
      assert.equal(codes, [130, 143]);
      arrived[0]!.end();
      await answer;
      await shutdown.begin();
      assert.equal(codes, [130, 143, 0]);
    });
  });
});

it('what fails is told, and the rest is done all the same', async () => {
  await withWal({}, async (_wal, opened) => {
    const broken = { close: () => Promise.reject(new Error('no server')) };
    const { shutdown, codes } = shutdownOf(opened, {
      servers: [broken],
      onDone: () => Promise.reject(new Error('later')),
    });
    const { code, error } = await shutdown.begin();
    assert.equal([code, (error as Error).message], [1, 'no server']);
    assert.equal(codes, [1]);
    await rejectsWith(opened.wal.append('audit', auditRecord(1)), 'WAL_CLOSED');
  });
});

it('callers share one end, and signals are let go of afterwards', async () => {
  await withWal({}, async (_wal, opened) => {
    const listeners = process.listenerCount('SIGTERM');
    const { shutdown, codes } = shutdownOf(opened);
    assert.is(process.listenerCount('SIGTERM'), listeners + 1);
    assert.is(shutdown.begin(), shutdown.begin());
    await shutdown.begin();
    assert.equal([codes, process.listenerCount('SIGTERM')], [[0], listeners]);
    {
      using disposed = shutdownOf(opened, { signals: ['SIGTERM', 'SIGHUP'] }).shutdown;
      assert.ok(disposed && process.listenerCount('SIGHUP') === 1);
    }
    assert.is(process.listenerCount('SIGHUP'), 0);
    assert.throws(() => shutdownOf(opened, { drainMs: -1 }), /expected drainMs to be an integer from 0/);
  });
});

it('a Fastify instance is closed with its hooks, and no connection that was busy keeps it open', async () => {
  await withWal({}, async (_wal, opened) => {
    const app = fastify();
    let isHooked = false;
    app.addHook('onClose', async () => void (isHooked = true));
    const arrived: FastifyReply[] = [];
    app.get('/', (_request, reply) => void arrived.push(reply));
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const { shutdown } = shutdownOf(opened, { servers: [app] });
    const agent = new Agent({ keepAlive: true });
    const answers = [ask(url, agent), ask(url, agent)];
    await until(() => arrived.length === 2);
    arrived[1]!.raw.write('its headers have gone');
    const ended = shutdown.begin();
    await until(() => !app.server.listening);
    void arrived[0]!.send('late');
    arrived[1]!.raw.end();
    assert.equal(await Promise.all(answers), [
      [200, 'close'],
      [200, 'keep-alive'],
    ]);
    assert.equal(await ended, CLEAN);
    assert.ok(isHooked);
  });
});

it.run();
