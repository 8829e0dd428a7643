import { once } from 'node:events';
import { Agent, createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { serveIngest, toNodeListener } from '../../lib/ingest/index.js';
import type { IngestHandler, ServeOptions } from '../../lib/ingest/index.js';

const it = suite('ingest/node');

async function withServer(
  handler: IngestHandler,
  options: Partial<ServeOptions>,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = await serveIngest({ ...options, handler });
  try {
    await use(Number(new URL(server.url).port));
  } finally {
    await server.close({ graceMs: 0 });
  }
}

/** A promise, and what settles it. */
function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

const show: IngestHandler = async (request) =>
  new Response(`${request.url} ${request.headers.get('x-two')} ${await request.text()}`, {
    status: 202,
    headers: { 'x-three': '3' },
  });
const echo: IngestHandler = async (request) => new Response(`${request.method} ${await request.text()}`);
const refuse: IngestHandler = async () => Response.json({ no: true }, { status: 401 });

/** What a server sends over a connection until it ends it, whether in peace or by a reset. */
async function received(socket: Socket): Promise<string> {
  let all = '';
  socket.on('data', (chunk) => (all += chunk.toString()));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  return all;
}

it('a request arrives as it was sent, and the answer as it was given', async () => {
  await withServer(show, {}, async (port) => {
    const url = `http://127.0.0.1:${port}//a/%7Eb?c=d`;
    const response = await fetch(url, { method: 'POST', body: 'hello', headers: { 'x-two': '2' } });
    assert.is(response.status, 202);
    assert.is(response.headers.get('x-three'), '3');
    assert.is(await response.text(), `${url} 2 hello`);
    assert.ok(response.headers.get('date'));
  });
});

it('one connection serves one request after the other', async () => {
  await withServer(echo, {}, async (port) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (const body of ['one', 'two', 'three']) {
      const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', agent });
      request.end(body);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      ports.add(response.socket.localPort);
      assert.is(await text(response), `POST ${body}`);
    }
    assert.is(ports.size, 1);
    agent.destroy();
  });
});

it('who is refused in the middle of a large upload gets the answer, not a reset', async () => {
  await withServer(refuse, {}, async (port) => {
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST' });
    request.end(Buffer.alloc(12_000_000));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    assert.is(response.statusCode, 401);
    assert.is(response.headers.connection, 'close');
    assert.is(await text(response), '{"no":true}');
    await once(request, 'close');
  });
});

it('who never stops sending is cut off after the answer', async () => {
  await withServer(refuse, {}, async (port) => {
    const socket = connect(port, '127.0.0.1');
    const all = received(socket);
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    const chunk = Buffer.alloc(0x10000);
    const send = () => {
      while (!socket.destroyed && socket.write('10000\r\n') && socket.write(chunk) && socket.write('\r\n'));
    };
    socket.on('drain', () => {
      // The rest of the chunk that `write` stopped in does not matter: nobody reads what it says.
      send();
    });
    send();
    assert.match(await all, /^HTTP\/1.1 401 [^]*\{"no":true\}$/);
  });
});

it('a body is read no faster than the handler reads it', async () => {
  const begun = deferred();
  const mayRead = deferred();
  const listener = toNodeListener(async (request) => {
    begun.resolve();
    await mayRead.promise;
    return new Response(String((await request.arrayBuffer()).byteLength));
  });
  const server = createServer(listener).listen(0, '127.0.0.1');
  const connected = once(server, 'connection') as Promise<[Socket]>;
  await once(server, 'listening');
  const bytes = 32 * 1024 * 1024;
  const response = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    method: 'POST',
    body: Buffer.alloc(bytes),
  });
  await begun.promise;
  // As many turns as would do to read everything.
  for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate);
  const [socket] = await connected;
  assert.ok(socket.bytesRead < 1_000_000, `${socket.bytesRead} bytes were read`);
  mayRead.resolve();
  assert.is(await (await response).text(), String(bytes));
  server.close();
  server.closeAllConnections();
});

it('a client that goes away is noticed by the signal and by the body', async () => {
  const told = deferred<unknown[]>();
  const handler: IngestHandler = async (request) => {
    const broken = await request.text().then(
      () => 'whole',
      () => 'broken',
    );
    if (!request.signal.aborted) await once(request.signal, 'abort');
    told.resolve([broken, request.signal.aborted]);
    return new Response('nobody listens');
  };
  await withServer(handler, {}, async (port) => {
    const socket = connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhello', () => socket.destroy());
    assert.equal(await told.promise, ['broken', true]);
  });
});

it('a client that goes away while its answer is being made is noticed', async () => {
  const arrived = deferred();
  const told = deferred();
  const handler: IngestHandler = async (request) => {
    await request.text();
    arrived.resolve();
    await once(request.signal, 'abort');
    told.resolve();
    return new Response('nobody listens');
  };
  await withServer(handler, {}, async (port) => {
    const socket = connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello');
    await arrived.promise;
    socket.destroy();
    await told.promise;
  });
});

it('a client that trickles is cut off', async () => {
  await withServer(echo, { requestTimeoutMs: 100 }, async (port) => {
    for (const begun of ['POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhello', 'POST / HT']) {
      const socket = connect(port, '127.0.0.1');
      const all = received(socket);
      socket.write(begun);
      assert.match(await all, /^HTTP\/1.1 408 /);
    }
  });
});

it('a request that no Request can be is refused', async () => {
  await withServer(echo, {}, async (port) => {
    for (const line of ['TRACE / HTTP/1.1', 'OPTIONS * HTTP/1.1', 'GET http:// HTTP/1.1']) {
      const socket = connect(port, '127.0.0.1');
      const all = received(socket);
      socket.write(`${line}\r\nhost: x\r\nconnection: close\r\n\r\n`);
      assert.match(await all, /^HTTP\/1.1 400 [^]*bad_request/, line);
    }
  });
});

it('close lets a request under way end, then nobody is served', async () => {
  const arrived = deferred();
  const mayAnswer = deferred();
  const handler: IngestHandler = async () => {
    arrived.resolve();
    await mayAnswer.promise;
    return new Response('done');
  };
  const server = await serveIngest({ handler });
  const response = fetch(server.url);
  await arrived.promise;
  const closed = server.close();
  mayAnswer.resolve();
  assert.is(await (await response).text(), 'done');
  // The client would keep its connection: close must not wait for that.
  await closed;
  await server.close();
  const refused = await fetch(server.url).then(
    () => 'served',
    () => 'refused',
  );
  assert.is(refused, 'refused');
});

it('close cuts what does not end in time', async () => {
  const arrived = deferred();
  const server = await serveIngest({
    handler: () => {
      arrived.resolve();
      return new Promise(() => {});
    },
  });
  const response = fetch(server.url).then(
    () => 'answered',
    () => 'cut',
  );
  await arrived.promise;
  await server.close({ graceMs: 1 });
  assert.is(await response, 'cut');
});

it('an address that can not be had is an error that names it', async () => {
  await withServer(echo, {}, async (port) => {
    for (const [options, code, message] of [
      [{ port }, 'WAL_IO', `127.0.0.1:${port}`],
      [{ port: 70_000 }, 'WAL_CONFIG', 'port'],
      [{ requestTimeoutMs: 0 }, 'WAL_CONFIG', 'requestTimeoutMs'],
    ] as const) {
      try {
        await serveIngest({ handler: echo, ...options });
        assert.unreachable();
      } catch (error) {
        assert.instance(error, WalError);
        assert.is((error as WalError).code, code);
        assert.match((error as WalError).message, message);
      }
    }
  });
});

it.run();
