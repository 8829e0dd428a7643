import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { createIngestHandler } from '../../lib/ingest/index.js';
import type { IngestOptions, IngestStore } from '../../lib/ingest/index.js';
import { httpSink } from '../../lib/ship/sinks/http.js';
import { batchOf, recordLines } from '../helpers/batch.js';
import { signToken, withReceiver } from '../helpers/receiver.js';

const it = suite('ingest/handler');

const GZIP = { 'content-encoding': 'gzip' };
const body = (count: number, kind = 'audit') => recordLines(count, kind).join('');

it('a batch is accepted once, and the same again is duplicates', async () => {
  await withReceiver({}, async ({ post, store }) => {
    const first = await post('audit', body(100));
    assert.is(first.status, 200);
    assert.match(first.headers.get('content-type') ?? '', 'application/json');
    assert.ok(first.headers.get('date'));
    assert.equal(first.answer, { accepted: 100, duplicates: 0, rejected: [] });
    const second = await post('audit', body(101));
    assert.equal(second.answer, { accepted: 1, duplicates: 100, rejected: [] });
    assert.is(await store.count('audit'), 101);
  });
});

it('what is stored are the lines as they came', async () => {
  await withReceiver({}, async ({ post, store }) => {
    await post('billing', gzipSync(body(3, 'billing')), GZIP);
    let stored = '';
    for await (const { line } of store.lines('billing')) stored += `${line.toString()}\n`;
    assert.is(stored, body(3, 'billing'));
  });
});

it('the same batch many times at once counts once', async () => {
  await withReceiver({}, async ({ post, store }) => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('audit', body(50))));
    const sum = (of: 'accepted' | 'duplicates') =>
      answers.reduce((total, { answer }) => total + answer[of], 0);
    assert.equal([sum('accepted'), sum('duplicates')], [50, 350]);
    assert.is(await store.count('audit'), 50);
  });
});

it('a batch of httpSink, gzipped, signed and with its token, is settled', async () => {
  const secret = 'a signing secret of at least 32 bytes';
  await withReceiver({ signing: { keys: { default: secret } } }, async (receiver) => {
    const { url: baseUrl, issuer, audience, store, requests } = receiver;
    for (const gzip of [true, false]) {
      const token = { issuer, audience, secret: receiver.secret };
      const sink = httpSink({ baseUrl, gzip, token, signingKey: secret });
      const lines = recordLines(20, gzip ? 'log' : 'audit');
      const receipt = await sink.send(batchOf(lines), { signal: new AbortController().signal, attempt: 1 });
      assert.equal(receipt, { accepted: 20, duplicates: 0, rejected: [] });
      await sink.close?.();
    }
    assert.equal(
      requests.map(({ path, status }) => [path, status]),
      [
        ['/api/log/v1/ingest', 200],
        ['/api/audit/v1/ingest', 200],
      ],
    );
    for await (const arrival of store.arrivals('log')) {
      assert.equal(arrival, {
        logId: '7Q2M4K9ZT0V5XW8B',
        service: 'gateway',
        instance: 'main',
        from: 1,
        to: 20,
      });
    }
    const unsigned = await receiver.post('log', body(1, 'log'));
    assert.equal([unsigned.status, unsigned.error?.code], [401, 'bad_signature']);
    assert.match(unsigned.headers.get('www-authenticate') ?? '', 'Signature');
  });
});

it('a line that is not acceptable is rejected by id, and the others are stored', async () => {
  await withReceiver({}, async ({ post, store }) => {
    const [first, second, third] = recordLines(3);
    const bad = JSON.stringify({ ...(JSON.parse(second!) as object), record: 5 });
    const { status, answer } = await post('audit', `${first}${bad}\n${third}`);
    assert.is(status, 200);
    assert.is(answer.accepted, 2);
    assert.equal(
      answer.rejected.map(({ id }) => id),
      ['0123456789ABCDEF:audit:2'],
    );
    assert.is(await store.count('audit'), 2);
    const none = await post('log', first!);
    assert.equal([none.status, none.answer.accepted, none.answer.rejected.length], [200, 0, 1]);
  });
});

it('another content under a stored id is rejected, never overwritten', async () => {
  await withReceiver({}, async ({ post, store }) => {
    await post('audit', body(2));
    const { answer } = await post('audit', body(3).replace('"door.open"', '"door.shut"'));
    assert.equal([answer.accepted, answer.duplicates, answer.rejected.length], [1, 1, 1]);
    assert.match(answer.rejected[0]!.reason, /another/);
    const stored: string[] = [];
    for await (const { line } of store.lines('audit')) stored.push(line.toString());
    assert.match(stored[0]!, 'door.open');
  });
});

it('a line that can not be answered for stores nothing of its request', async () => {
  await withReceiver({}, async ({ post, store }) => {
    for (const bad of ['{"id":', '{"seq":1}', '']) {
      const { status, error } = await post('audit', `${body(2)}${bad}\n`);
      assert.equal([status, error?.code], [400, 'bad_line']);
      assert.match(error!.message, 'line 3');
    }
    assert.is(await store.count('audit'), 0);
  });
});

it('the answer adds up for every body, and what it accepts is there', async () => {
  const [template] = recordLines(1);
  const line = fc.record({
    seq: fc.integer({ min: 1, max: 6 }),
    kind: fc.constantFrom('audit', 'audit', 'audit', 'log'),
    text: fc.constantFrom('a', 'a', 'b'),
    whole: fc.boolean(),
  });
  await withReceiver({}, async ({ post, store }) => {
    let stored = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), async (lines) => {
        const text = lines.map(({ seq, kind, text: action, whole }) => {
          const id = `0123456789ABCDEF:${kind}:${seq}`;
          const record = whole ? { action } : undefined;
          return JSON.stringify({ ...(JSON.parse(template!) as object), id, seq, kind, record });
        });
        const { status, answer } = await post('audit', text.join('\n'));
        assert.is(status, 200);
        assert.is(answer.accepted + answer.duplicates + answer.rejected.length, lines.length);
        stored += answer.accepted;
        assert.is(await store.count('audit'), stored);
      }),
      { numRuns: 60 },
    );
  });
});

it('only POST to an ingest path is served, also below a base path', async () => {
  await withReceiver({ basePath: '/telemetry' }, async ({ url }) => {
    const authorization = `Bearer ${await signToken()}`;
    const headers = { authorization, 'content-type': 'application/x-ndjson' };
    const statusOf = async (path: string, method = 'POST') => {
      const sent = method === 'GET' ? { method, headers } : { method, headers, body: body(1) };
      const response = await fetch(`${url}${path}`, sent);
      await response.text();
      return `${response.status} ${response.headers.get('allow') ?? ''}`.trim();
    };
    assert.is(await statusOf('/telemetry/api/audit/v1/ingest'), '200');
    for (const path of [
      '/api/audit/v1/ingest',
      '/telemetry/api/Audit/v1/ingest',
      '/telemetry/api/audit/v2/ingest',
      '/telemetry/api/audit/v1/ingest/',
      '/telemetry/api//v1/ingest',
      '/telemetry//api/audit/v1/ingest',
      '/',
    ]) {
      assert.is(await statusOf(path), '404', path);
    }
    assert.is(await statusOf('/telemetry/api/audit/v1/ingest', 'GET'), '405 POST');
    assert.is(await statusOf('/telemetry/api/audit/v1/ingest', 'PUT'), '405 POST');
  });
});

it('the headers of a log must fit each other', async () => {
  await withReceiver({}, async ({ post }) => {
    const log = { 'wal-log': 'LOG1', 'wal-instance': 'main', 'idempotency-key': 'LOG1:audit:1-1:0' };
    assert.is((await post('audit', body(1), log)).status, 200);
    for (const bad of [
      { 'wal-log': 'a:b' },
      { 'wal-instance': 'a b' },
      { 'wal-log': 'LOG2' },
      { 'idempotency-key': 'LOG1:log:1-1:0' },
    ]) {
      const { status, error } = await post('audit', body(1), { ...log, ...bad });
      assert.equal([status, error?.code], [400, 'bad_header'], JSON.stringify(bad));
    }
  });
});

const authorize: IngestOptions['authorize'] = ({ service }, { kind }) =>
  service === 'gateway' && kind === 'audit';

it('no token, a bad one, or one that may not do this', async () => {
  await withReceiver({ authorize }, async ({ post, store }) => {
    const outcome = async (kind: string, authorization: string | null) => {
      const { status, error, headers } = await post(kind, body(1, kind), { authorization });
      return [status, error?.code, headers.get('www-authenticate')?.split(',')[1]?.trim()];
    };
    assert.equal(await outcome('audit', null), [401, 'unauthorized', undefined]);
    const expired = `Bearer ${await signToken({ exp: 1 })}`;
    assert.equal(await outcome('audit', expired), [401, 'unauthorized', 'error="invalid_token"']);
    const other = `Bearer ${await signToken({ sub: 'door' })}`;
    assert.equal(await outcome('audit', other), [403, 'forbidden', 'error="insufficient_scope"']);
    const good = `Bearer ${await signToken()}`;
    assert.equal(await outcome('log', good), [403, 'forbidden', 'error="insufficient_scope"']);
    assert.equal(await outcome('audit', good), [200, undefined, undefined]);
    assert.equal([await store.count('audit'), await store.count('log')], [1, 0]);
  });
});

it('without tokens anyone may send, and it has to be said', async () => {
  await withReceiver({ auth: false }, async ({ post }) => {
    assert.is((await post('audit', body(1), { authorization: null })).status, 200);
  });
});

const request = () =>
  new Request('http://x/api/audit/v1/ingest', {
    method: 'POST',
    body: body(2),
    headers: { 'content-type': 'application/x-ndjson' },
  });

async function answerWith(store: Pick<IngestStore, 'store'>): Promise<[number, string, unknown[]]> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const handler = createIngestHandler({ store: store as IngestStore, auth: false, onError });
  const response = await handler(request());
  return [response.status, await response.text(), errors];
}

it('a store that fails is a 503, and the reason stays here', async () => {
  const cause = new WalError('WAL_IO', 'no space on /secret/path');
  const [status, text, errors] = await answerWith({ store: () => Promise.reject(cause) });
  assert.is(status, 503);
  assert.match(text, 'unavailable');
  assert.not.match(text, 'secret');
  assert.equal(errors, [cause]);
});

it('a store that does not account for every line is not believed', async () => {
  const result = { accepted: 1, duplicates: 0, conflicts: [] };
  const [status, text, errors] = await answerWith({ store: () => Promise.resolve(result) });
  assert.is(status, 500);
  assert.match(text, 'internal');
  assert.match(String(errors[0]), /1 of 2 lines/);
});

function errorOf(options: object): string {
  try {
    createIngestHandler({ store: { store: () => {} }, auth: false, ...options } as unknown as IngestOptions);
    return 'accepted';
  } catch (error) {
    assert.is((error as WalError).code, 'WAL_CONFIG');
    return (error as WalError).message;
  }
}

it('options that do not fit are named', () => {
  assert.is(errorOf({}), 'accepted');
  for (const auth of [undefined, null, true, 'secret']) assert.match(errorOf({ auth }), /expected auth/);
  assert.match(errorOf({ store: undefined }), /expected store/);
  assert.match(errorOf({ signed: {} }), /no 'signed'/);
  assert.match(errorOf({ limits: { bodyMax: 1 } }), /no 'bodyMax'/);
  assert.match(errorOf({ limits: { linesMax: 0 } }), /limits.linesMax/);
  assert.match(errorOf({ basePath: '/x/' }), /basePath/);
});

it.run();
