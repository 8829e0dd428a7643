import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { httpSink } from '../../lib/ship/sinks/http.js';
import { batchOf, recordLines } from '../helpers/batch.js';
import { withChild } from '../helpers/child.js';
import type { Child } from '../helpers/child.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { post, signToken, withFolder, withReceiver } from '../helpers/receiver.js';

const it = suite('ingest/hostile');

const CONNECTIONS_MAX = 40;
const body = (count: number) => recordLines(count).join('');
const toAudit = (url: string) => `${url}/api/audit/v1/ingest`;

interface Hostage {
  url: string;
  port: number;
  /** What it says of itself by now. */
  state: () => Promise<{ maxRssMiB: number; stored: number }>;
}

async function withVictim(use: (victim: Hostage) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const script = new URL('hostile-process.ts', import.meta.url);
    await withChild(script, [join(folder, 'store')], async (child: Child) => {
      const url = (await child.next()) as string;
      const state = async () => {
        child.send('state');
        return (await child.next()) as { maxRssMiB: number; stored: number };
      };
      await use({ url, port: Number(new URL(url).port), state });
    });
  });
}

/** Everything that comes over a connection until it is over, in peace or by a reset. */
async function received(socket: Socket): Promise<string> {
  let all = '';
  socket.on('data', (chunk: Buffer) => (all += chunk.toString('latin1')));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  return all;
}

/** Sends a text a byte at a time, as long as anyone listens. */
function trickle(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++ % text.length] ?? ''), 10);
  socket.once('close', () => clearInterval(timer));
  return received(socket);
}

it('inflation bombs and floods are answered with a refusal, within bounded memory, and nothing is stored', async () => {
  await withVictim(async ({ url, state }) => {
    const headers = { 'content-encoding': 'gzip' };
    assert.is((await post(toAudit(url), gzipSync(body(1)), headers)).status, 200);
    const before = await state();
    const zeros = gzipSync(Buffer.alloc(16_777_216));
    // A gibibyte each; lines that are good until it gets too many of them; gzip in gzip.
    const bombs = [
      Buffer.concat(Array.from({ length: 64 }, () => zeros)),
      gzipSync(Buffer.alloc(33_554_432, `${recordLines(1)[0]}`)),
      gzipSync(gzipSync(Buffer.alloc(33_554_432))),
    ];
    const statuses = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const { status, error } = await post(toAudit(url), bombs[n % bombs.length]!, headers);
        return `${status} ${error?.code}`;
      }),
    );
    const known = new Set(['413 body_too_large', '400 bad_utf8', '400 bad_line', '503 overloaded']);
    for (const status of statuses) assert.ok(known.has(status), status);
    assert.ok(statuses.includes('413 body_too_large'));
    const after = await state();
    const grown = after.maxRssMiB - before.maxRssMiB;
    // What 30 GiB would be, but for the bounds: 64 MiB of bodies at once, and what is made of them.
    assert.ok(grown < 256, `grew by ${grown} MiB`);
    assert.is(after.stored, 1);
    assert.is((await post(toAudit(url), gzipSync(body(2)), headers)).answer.accepted, 1);
  });
});

it('connections that trickle a byte at a time are cut, those beyond the bound at once, and others are served then', async () => {
  await withVictim(async ({ url, port, state }) => {
    const token = await signToken();
    const type = `authorization: Bearer ${token}\r\ncontent-type: application/x-ndjson`;
    const head = `POST /api/audit/v1/ingest HTTP/1.1\r\nhost: x\r\n${type}\r\n`;
    const slow = [
      // Headers that never end, a body that never ends, nothing at all.
      () => trickle(port, 'POST / HTTP/1.1\r\nx: '.padEnd(100_000, 'x')),
      () => {
        const socket = connect(port, '127.0.0.1');
        socket.write(`${head}content-length: 100000\r\n\r\n{`);
        const timer = setInterval(() => socket.write('"'), 10);
        socket.once('close', () => clearInterval(timer));
        return received(socket);
      },
      () => received(connect(port, '127.0.0.1')),
    ];
    const ends = await Promise.all(Array.from({ length: 3 * CONNECTIONS_MAX }, (_, n) => slow[n % 3]!()));
    const cut = ends.filter((end) => end.startsWith('HTTP/1.1 408 ')).length;
    assert.ok(cut > 0 && cut < ends.length, `${cut} were told that they are too slow`);
    for (const end of ends) assert.ok(end === '' || end.startsWith('HTTP/1.1 408 '), end);
    assert.is((await state()).stored, 0);
    assert.is((await post(toAudit(url), body(3))).status, 200);
  });
});

it('what is no HTTP, or two requests in one, is refused and stores nothing', async () => {
  await withVictim(async ({ port, state }) => {
    const token = await signToken();
    const head = `POST /api/audit/v1/ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/x-ndjson\r\n`;
    const lines = body(2);
    const both = `content-length: ${lines.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${lines}`;
    const requests: [string, RegExp][] = [
      [`${head}${both}`, /^HTTP\/1.1 400 /],
      [`${head}content-length: 5\r\ncontent-length: ${lines.length}\r\n\r\n${lines}`, /^HTTP\/1.1 400 /],
      [`${head}content-length: -1\r\n\r\n${lines}`, /^HTTP\/1.1 400 /],
      [`${head}transfer-encoding: chunked\r\n\r\nZZ\r\n${lines}`, /^HTTP\/1.1 400 /],
      [`${head}transfer-encoding: gzip\r\n\r\n${lines}`, /^HTTP\/1.1 400 /],
      [`${head}x: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
      ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1.1 400 /],
      // The body breaks off: whatever was there is not enough.
      [
        `${head}transfer-encoding: chunked\r\n\r\n${lines.length.toString(16)}\r\n${lines}\r\n`,
        /^HTTP\/1.1 4\d\d |^$/,
      ],
    ];
    for (const [request, answer] of requests) {
      const socket = connect(port, '127.0.0.1');
      const all = received(socket);
      socket.end(Buffer.from(request, 'latin1'));
      assert.match(await all, answer, JSON.stringify(request.slice(-60)));
    }
    assert.is((await state()).stored, 0);
  });
});

it('a body that takes too long is given up by the handler itself, whoever serves it', async () => {
  await withReceiver({ limits: { bodyMsMax: 50 } }, async ({ url, store }) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const type = `authorization: Bearer ${await signToken()}\r\ncontent-type: application/x-ndjson`;
    socket.write(
      `POST /api/audit/v1/ingest HTTP/1.1\r\nhost: x\r\n${type}\r\ncontent-length: 9999\r\n\r\n${body(2)}`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1.1 408 [^]*request_timeout/);
    socket.destroy();
    assert.is(await store.count('audit'), 0);
  });
});

it('a signed request that is sent again later is refused, and until then stores nothing twice', async () => {
  const clock = new ManualClock();
  const secret = 'a signing secret of the tests, 32 bytes';
  const overheard: Request[] = [];
  const options = {
    auth: false as const,
    clock,
    signing: { keys: { default: secret } },
    intercept: async (request: Request, receive: (request: Request) => Promise<Response>) => {
      overheard.push(request.clone());
      return await receive(request);
    },
  };
  await withReceiver(options, async ({ url, store }) => {
    const sink = httpSink({ baseUrl: url, signingKey: secret }, clock);
    await sink.send(batchOf(recordLines(5)), { signal: new AbortController().signal, attempt: 1 });
    await sink.close?.();
    const headers = new Headers(overheard[0]!.headers);
    for (const name of ['host', 'connection', 'content-length']) headers.delete(name);
    const recorded = Buffer.from(await overheard[0]!.arrayBuffer());
    const replay = async () => await fetch(toAudit(url), { method: 'POST', headers, body: recorded });
    const soon = await replay();
    assert.equal([soon.status, await soon.json()], [200, { accepted: 0, duplicates: 5, rejected: [] }]);
    clock.advance(300_999);
    assert.is((await replay()).status, 401);
    assert.is(await store.count('audit'), 5);
  });
});

it.run();
