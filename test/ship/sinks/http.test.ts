import { createHash, createHmac } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HttpSinkOptions } from '../../../lib/config.js';
import { WalError } from '../../../lib/errors.js';
import { httpSink } from '../../../lib/ship/sinks/http.js';
import { batchOf, recordLines } from '../../helpers/batch.js';
import { answering, closed, withDestination } from '../../helpers/destination.js';
import type { AnswerWith, Arrived } from '../../helpers/destination.js';
import { BATCH, LINES, failing, failureOf, send, settling, withHttpSink } from '../../helpers/http-sink.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const it = suite('ship/sinks/http');

const SECRET = 'a secret of thirty-two bytes, ok';
const ACCEPTED = { accepted: 3, duplicates: 0, rejected: [] };

const unread = () => Promise.reject(new Error('was read'));
const recovering: AnswerWith = (response, request, number) =>
  (number < 4 ? answering(503) : settling)(response, request, number);

/** One batch to a destination that takes it: what arrived there. */
async function arrival(options: Partial<HttpSinkOptions>, path = '', clock?: ManualClock): Promise<Arrived> {
  const taken: Arrived[] = [];
  await withDestination(settling, async ({ origin, arrived }) => {
    const sink = httpSink({ baseUrl: `${origin}${path}`, ...options }, clock);
    assert.equal(await send(sink), ACCEPTED);
    await sink.close?.();
    taken.push(...arrived);
  });
  assert.is(taken.length, 1);
  return taken[0]!;
}

it('posts a batch with the headers of the wire and no others', async () => {
  const { method, path, headers, body } = await arrival({ gzip: false });
  const { host, connection, ...ours } = headers;
  assert.is(`${method} ${path}`, 'POST /api/audit/v1/ingest');
  assert.match(host!, /^127\.0\.0\.1:\d+$/);
  assert.is(connection, 'keep-alive');
  assert.equal(ours, {
    'content-type': 'application/x-ndjson',
    'content-length': `${body.length}`,
    'wal-log': '7Q2M4K9ZT0V5XW8B',
    'wal-instance': 'main',
    'idempotency-key': BATCH.id,
  });
  assert.is(body.toString(), LINES.join(''));
});

it('sends the gzip of the batch unless told not to', async () => {
  const { headers, body } = await arrival({});
  assert.is(headers['content-encoding'], 'gzip');
  assert.is(headers['content-length'], `${body.length}`);
  assert.is(gunzipSync(body).toString(), LINES.join(''));
});

it('asks the batch only for the body that it sends', async () => {
  await withHttpSink(settling, {}, ({ sink }) => send(sink, { ...BATCH, lines: unread }));
  await withHttpSink(settling, { gzip: false }, ({ sink }) => send(sink, { ...BATCH, gzip: unread }));
});

it('the base URL may have a path, with or without a slash at its end', async () => {
  const table = [
    ['', '/api/audit/v1/ingest'],
    ['/', '/api/audit/v1/ingest'],
    ['/logs', '/logs/api/audit/v1/ingest'],
    ['/logs/', '/logs/api/audit/v1/ingest'],
    ['/a%20b/c//', '/a%20b/c/api/audit/v1/ingest'],
  ];
  for (const [path, expected] of table) assert.is((await arrival({}, path)).path, expected);
});

it('signs the bytes and the path as they are on the wire', async () => {
  const clock = new ManualClock();
  const signingKey = { keyId: 'wal-2026', secret: SECRET };
  for (const gzip of [true, false]) {
    const { path, headers, body } = await arrival({ gzip, signingKey }, '/behind/a%20proxy', clock);
    const params = `("@method" "@path" "content-digest" "idempotency-key");created=${clock.now() / 1000};keyid="wal-2026";alg="hmac-sha256"`;
    const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
    const base = `"@method": POST\n"@path": ${path}\n"content-digest": ${digest}\n"idempotency-key": ${headers['idempotency-key']}\n"@signature-params": ${params}`;
    assert.is(headers['content-digest'], digest);
    assert.is(headers['signature-input'], `sig1=${params}`);
    assert.is(headers['signature'], `sig1=:${createHmac('sha256', SECRET).update(base).digest('base64')}:`);
  }
});

it('one connection serves request after request', async () => {
  await withHttpSink(settling, {}, async ({ sink, arrived, sockets }) => {
    for (let n = 0; n < 10; n++) await send(sink);
    assert.is(arrived.length, 10);
    assert.is(sockets.length, 1);
  });
});

it('a connection is kept after a failure whose answer was whole', async () => {
  await withHttpSink(recovering, {}, async ({ sink, sockets }) => {
    for (let n = 1; n < 4; n++) await failureOf(failing(sink), 'outage');
    assert.equal(await send(sink), ACCEPTED);
    assert.is(sockets.length, 1);
  });
});

it('makes as many connections as it was given, at most', async () => {
  await withHttpSink(settling, { connections: 2 }, async ({ sink, arrived, sockets }) => {
    await Promise.all(Array.from({ length: 12 }, () => send(sink)));
    assert.is(arrived.length, 12);
    assert.is(sockets.length, 2);
  });
});

it('hands the receipt on, with what was rejected', async () => {
  const receipt = {
    accepted: 1,
    duplicates: 1,
    rejected: [{ id: '0123456789ABCDEF:audit:2', reason: 'no actor' }],
  };
  await withHttpSink(answering(202, receipt), {}, async ({ sink }) => {
    assert.equal(await send(sink), receipt);
  });
});

it('acceptEmpty takes a success without a body', async () => {
  await withHttpSink(answering(204), { acceptEmpty: true }, async ({ sink }) => {
    assert.equal(await send(sink), ACCEPTED);
  });
});

it('reads an answer that names every line of a large batch', async () => {
  const lines = recordLines(3000);
  const reason = 'x'.repeat(600);
  const rejected = lines.map((_, index) => ({ id: `0123456789ABCDEF:audit:${index + 1}`, reason }));
  await withHttpSink(answering(200, { accepted: 0, rejected }), {}, async ({ sink }) => {
    assert.is((await send(sink, batchOf(lines))).rejected?.length, 3000);
  });
});

it('close waits for what is being sent, then frees the connections, once for all callers', async () => {
  const answers: (() => void)[] = [];
  const later: AnswerWith = (response) => answers.push(() => response.end('{"accepted":3}'));
  await withHttpSink(later, {}, async ({ sink, nth }) => {
    const sending = send(sink);
    const freed = closed((await nth(1)).socket);
    const closing = sink.close!();
    assert.is(sink.close!(), closing);
    answers[0]!();
    assert.equal(await sending, ACCEPTED);
    await Promise.all([closing, freed]);
  });
});

it('after close nothing is sent', async () => {
  await withHttpSink(settling, {}, async ({ sink, arrived }) => {
    await sink.close!();
    const error = await failing(sink);
    assert.instance(error, WalError);
    assert.is((error as WalError).code, 'WAL_CLOSED');
    assert.is(arrived.length, 0);
  });
});

it('leaves nothing behind in a signal that outlives many batches', async () => {
  await withHttpSink(settling, {}, async ({ sink, clock }) => {
    const { signal } = new AbortController();
    for (let attempt = 1; attempt <= 5; attempt++) await sink.send(BATCH, { signal, attempt });
    assert.is(getEventListeners(signal, 'abort').length, 0);
    assert.is(clock.pending, 0);
  });
});

it('is named by its origin, so that streams to one origin share a name', () => {
  const baseUrl = 'https://logs.internal:8443/gateway';
  assert.is(httpSink({ baseUrl }).name, 'https://logs.internal:8443');
  assert.is(httpSink({ baseUrl: 'https://LOGS.internal:8443/other/' }).name, 'https://logs.internal:8443');
  assert.is(httpSink({ baseUrl }).notices, true);
  assert.is(httpSink({ baseUrl, notices: false }).notices, false);
});

it('an option that does not fit is refused when the sink is made, by name', () => {
  const baseUrl = 'http://127.0.0.1:1';
  const token = { issuer: 'i', audience: 'a', secret: SECRET };
  const table: [unknown, RegExp][] = [
    [undefined, /options/],
    ['http://127.0.0.1:1', /options/],
    [{}, /baseUrl/],
    [{ baseUrl: 'logs.internal' }, /baseUrl/],
    [{ baseUrl: 'ftp://logs.internal' }, /baseUrl/],
    [{ baseUrl: 'http://logs.internal?x=1' }, /baseUrl/],
    [{ baseUrl, token: 'eyJhbGciOiJIUzI1NiJ9' }, /token/],
    [{ baseUrl, token: { ...token, secret: 'hunter2' } }, /token\.secret/],
    [{ baseUrl, token: { ...token, key: '{' } }, /either a secret or a key/],
    [{ baseUrl, token: { issuer: 'i', audience: 'a', key: 'hunter2' } }, /token\.key/],
    [{ baseUrl, signingKey: 'hunter2' }, /signingKey/],
    [{ baseUrl, gzip: 'yes' }, /gzip/],
    [{ baseUrl, timeoutMs: 0 }, /timeoutMs/],
    [{ baseUrl, timeoutMs: 1.5 }, /timeoutMs/],
    [{ baseUrl, timeoutMs: '30s' }, /timeoutMs/],
    [{ baseUrl, connections: 0 }, /connections/],
    [{ baseUrl, connections: 65 }, /connections/],
    [{ baseUrl, notices: 1 }, /notices/],
    [{ baseUrl, acceptEmpty: 'true' }, /acceptEmpty/],
    [{ baseUrl, timeout: 5 }, /'timeout'/],
  ];
  for (const [options, message] of table) {
    try {
      httpSink(options as HttpSinkOptions);
      assert.unreachable(`${message} was taken`);
    } catch (error) {
      assert.instance(error, WalError);
      assert.is((error as WalError).code, 'WAL_CONFIG');
      assert.match((error as WalError).message, message);
      assert.not.match((error as WalError).message, /hunter2|eyJ/);
    }
  }
});

it('whoever logs a sink sees no secret of it', () => {
  const token = { issuer: 'i', audience: 'a', secret: SECRET };
  const sink = httpSink({ baseUrl: 'http://127.0.0.1:1', token, signingKey: SECRET });
  assert.not.match(inspect(sink, { depth: null, showHidden: true }), /thirty-two/);
  assert.not.match(JSON.stringify(sink), /thirty-two/);
});

it('a batch that can not be read is not an outage of the destination', async () => {
  await withHttpSink(settling, {}, async ({ sink, arrived }) => {
    const corrupt = new WalError('WAL_CORRUPT', 'seq 2 is not what was written');
    const unreadable = { ...BATCH, gzip: () => Promise.reject(corrupt) };
    assert.is(await failing(sink, undefined, unreadable), corrupt);
    assert.is(arrived.length, 0);
  });
});

it.run();
