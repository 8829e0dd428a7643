// What a client has while an answer is held, byte by byte, and that it has the same afterwards as without.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdAnswer } from '../../../lib/adapters/http/hold.js';
import { turns, until } from '../../helpers/until.js';

const it = suite('adapters/http/hold');

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

interface Client {
  /** Everything that has arrived so far, without the date. */
  received(): string;
  readonly closed: Promise<unknown>;
}

/** Sends one request over a connection of its own, which the server may keep. */
async function withClient(
  handler: Handler,
  method: string,
  use: (client: Client) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    response.sendDate = false;
    handler(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`${method} / HTTP/1.1\r\nhost: test\r\n\r\n`);
  try {
    await use({ received: () => text, closed });
  } finally {
    socket.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

/** Whether an answer may leave, to be decided by the test. */
function decision(): { promise: Promise<boolean>; resolve: (may: boolean) => void } {
  let resolve: (may: boolean) => void = () => {};
  const promise = new Promise<boolean>((decide) => (resolve = decide));
  return { promise, resolve };
}

/** What a client receives of an answer that nobody holds. */
async function plain(handler: Handler, method: string): Promise<string> {
  let received = '';
  await withClient(
    (request, response) => {
      response.once('finish', () => (received = 'finished'));
      handler(request, response);
    },
    method,
    async (client) => {
      await until(() => received !== '');
      await turns();
      received = client.received();
    },
  );
  return received;
}

/** The order of headers is nobody's business. */
function partsOf(answer: string): { head: string[]; body: string } {
  const [head = '', body = ''] = answer.split(/\r\n\r\n(.*)/s);
  return { head: head.split('\r\n').toSorted(), body };
}

const HEADERS_END = '\r\n\r\n';

/** How handlers answer, and how much of it a client has while the rest is held: nothing, unless something else is said. */
const ANSWERS: { name: string; handler: Handler; method?: string; early?: RegExp }[] = [
  { name: 'a body in end', handler: (_, response) => response.end('hello') },
  { name: 'nothing', handler: (_, response) => response.writeHead(201).end() },
  {
    name: 'a declared length in writeHead, a write, an end',
    handler: (_, response) => {
      response.writeHead(200, { 'Content-Length': 5 });
      response.write('hel');
      response.write('lo');
      response.end();
    },
    early: /\r\n\r\nhel$/,
  },
  {
    name: 'raw headers, and all of it in one write',
    handler: (_, response) => {
      response.writeHead(200, 'Fine', ['x-a', '1', 'content-length', '5']);
      response.write('hello', 'latin1', () => response.end());
    },
  },
  {
    name: 'a length that is set, in base64',
    handler: (_, response) => {
      response.setHeader('content-length', '5');
      response.write('aGVsbG8=', 'base64');
      response.end();
    },
  },
  {
    name: 'a stream of a declared length',
    handler: (_, response) => {
      response.setHeader('content-length', 6);
      Readable.from([Buffer.from('ab'), Buffer.from('cd'), Buffer.from('ef')]).pipe(response);
    },
    early: /\r\n\r\nabcd$/,
  },
  {
    name: 'chunks',
    handler: (_, response) => {
      response.write('one');
      response.write('two');
      response.end('three');
    },
    early: /\r\n\r\n3\r\none\r\n3\r\ntwo\r\n$/,
  },
  {
    name: 'a trailer',
    handler: (_, response) => {
      response.setHeader('trailer', 'x-sum');
      response.write('one');
      response.addTrailers({ 'x-sum': '7' });
      response.end();
    },
    early: /3\r\none\r\n$/,
  },
  { name: 'HEAD', method: 'HEAD', handler: (_, response) => response.end('not sent') },
  {
    name: 'HEAD, its headers flushed',
    method: 'HEAD',
    handler: (_, response) => {
      response.flushHeaders();
      response.end();
    },
  },
  { name: '304', handler: (_, response) => response.writeHead(304, { etag: '"a"' }).end() },
  {
    name: 'a length of nothing, and an empty write',
    handler: (_, response) => {
      response.setHeader('content-length', 0);
      response.flushHeaders();
      response.write('');
      response.end();
    },
  },
  {
    name: 'headers flushed before a body',
    handler: (_, response) => {
      response.flushHeaders();
      response.end('hello');
    },
    early: /\r\n\r\n$/,
  },
];

for (const { name, handler, method = 'GET', early } of ANSWERS) {
  it(`held or not, the same answer: ${name}`, async () => {
    const expected = await plain(handler, method);
    assert.ok(expected.includes(HEADERS_END));
    let asked = 0;
    let finished = false;
    const may = decision();
    await withClient(
      (request, response) => {
        holdAnswer(response, () => (asked++, may.promise));
        response.once('finish', () => (finished = true));
        handler(request, response);
      },
      method,
      async (client) => {
        await until(() => asked > 0);
        await turns();
        if (early) assert.match(client.received(), early);
        else assert.is(client.received(), '');
        may.resolve(true);
        await until(() => finished && client.received().length >= expected.length);
        await turns();
        assert.equal(partsOf(client.received()), partsOf(expected));
        assert.is(asked, 1);
      },
    );
  });
}

it('an answer that may not leave is none: the connection ends before its last piece', async () => {
  await withClient(
    (_, response) => {
      holdAnswer(response, () => Promise.resolve(false));
      response.write('first');
      response.end('last');
    },
    'GET',
    async (client) => {
      await client.closed;
      assert.not.match(client.received(), 'last');
      assert.not.match(client.received(), '\r\n0\r\n');
    },
  );
});

it('while it is held, it is decided: it looks ended, and what is changed or sent again fails as usual', async () => {
  const may = decision();
  const errors: unknown[] = [];
  let response: ServerResponse | undefined;
  await withClient(
    (_, answer) => {
      response = answer;
      holdAnswer(answer, () => may.promise);
      answer.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code));
      answer.end('once');
      answer.statusCode = 500;
    },
    'GET',
    async (client) => {
      await until(() => response !== undefined);
      assert.equal(
        [response!.headersSent, response!.writableEnded, response!.writableFinished],
        [true, true, false],
      );
      assert.throws(() => response!.setHeader('x-late', '1'), /headers after they are sent/);
      response!.end('twice');
      may.resolve(true);
      await until(() => response!.writableFinished && errors.length > 0);
      assert.ok(response!.writableEnded);
      await until(() => client.received().endsWith('once'));
      assert.match(client.received(), /^HTTP\/1\.1 200 OK\r\n/);
      assert.equal(errors, ['ERR_STREAM_WRITE_AFTER_END']);
    },
  );
});

it('what is not even a body fails at once, as it does otherwise', async () => {
  let thrown: unknown;
  await withClient(
    (_, response) => {
      holdAnswer(response, () => Promise.resolve(true));
      try {
        response.end(7 as never);
      } catch (error) {
        thrown = error;
      }
      response.end();
    },
    'GET',
    async (client) => {
      await until(() => client.received().endsWith(HEADERS_END));
      assert.match(String(thrown), /ERR_INVALID_ARG_TYPE|chunk/);
    },
  );
});

it.run();
