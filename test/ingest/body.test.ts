import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recordLines } from '../helpers/batch.js';
import { signToken, withReceiver } from '../helpers/receiver.js';
import type { ReceiverOptions } from '../helpers/receiver.js';

const it = suite('ingest/body');

const GZIP = { 'content-encoding': 'gzip' };
const ZEROS_16_MIB = gzipSync(Buffer.alloc(16 * 1024 * 1024));
const body = (count: number) => recordLines(count).join('');

it('content type and encoding are the ones agreed on', async () => {
  await withReceiver({}, async ({ post }) => {
    const codeOf = async (headers: Record<string, string | null>, sent: string | Buffer = body(1)) => {
      const { status, error } = await post('audit', sent, headers);
      return `${status} ${error?.code ?? ''}`.trim();
    };
    assert.is(await codeOf({ 'content-type': 'application/X-NDJSON; charset=utf-8' }), '200');
    assert.is(await codeOf({ 'content-encoding': 'identity' }), '200');
    assert.is(await codeOf({ 'content-encoding': 'GZIP' }, gzipSync(body(1))), '200');
    for (const type of ['application/json', 'text/plain', 'application/x-ndjson2']) {
      assert.is(await codeOf({ 'content-type': type }), '415 unsupported_media_type', type);
    }
    assert.is(await codeOf({ 'content-type': null }, Buffer.from(body(1))), '415 unsupported_media_type');
    for (const encoding of ['br', 'deflate', 'gzip, gzip', 'identity, gzip']) {
      assert.is(await codeOf({ 'content-encoding': encoding }), '415 unsupported_encoding', encoding);
    }
  });
});

it('several gzip members in a row are one body', async () => {
  await withReceiver({}, async ({ post }) => {
    const members = recordLines(5).map((line) => gzipSync(line));
    assert.is((await post('audit', Buffer.concat(members), GZIP)).answer.accepted, 5);
  });
});

it('gzip that is cut off, damaged or followed by anything stores nothing', async () => {
  await withReceiver({}, async ({ post, store }) => {
    const whole = gzipSync(body(50));
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 6]! ^= 1;
    for (const sent of [
      whole.subarray(0, -1),
      whole.subarray(0, 40),
      damaged,
      Buffer.concat([whole, Buffer.from('x')]),
      Buffer.concat([whole, Buffer.alloc(100)]),
      Buffer.concat([whole, whole.subarray(0, 30)]),
      Buffer.from(body(50)),
      Buffer.alloc(0),
    ]) {
      const { status, error } = await post('audit', sent, GZIP);
      assert.equal([status, error?.code], [400, 'bad_gzip'], `${sent.length} bytes`);
    }
    assert.is(await store.count('audit'), 0);
  });
});

it('what is not UTF-8 stores nothing', async () => {
  await withReceiver({}, async ({ post, store }) => {
    const bytes = Buffer.from(body(2));
    bytes[bytes.indexOf('door')] = 0xff;
    for (const [sent, headers] of [
      [bytes, {}],
      [gzipSync(bytes), GZIP],
    ] as const) {
      const { status, error } = await post('audit', sent, headers);
      assert.equal([status, error?.code], [400, 'bad_utf8']);
    }
    assert.is(await store.count('audit'), 0);
  });
});

it('a body within its limits is taken, and one byte or line more is not', async () => {
  const text = body(4);
  const bytes = Buffer.byteLength(text);
  const longest = Math.max(...text.split('\n').map((line) => line.length));
  const exact = { bodyBytesMax: bytes, inflatedBytesMax: bytes, lineBytesMax: longest, linesMax: 4 };
  await withReceiver({ limits: exact }, async ({ post }) => {
    assert.is((await post('audit', text)).status, 200);
    assert.is((await post('audit', gzipSync(text), GZIP)).status, 200);
  });
  for (const [limits, code, plain] of [
    [{ bodyBytesMax: bytes - 1 }, 'body_too_large', true],
    [{ inflatedBytesMax: bytes - 1 }, 'body_too_large', false],
    [{ lineBytesMax: longest - 1 }, 'line_too_large', true],
    [{ linesMax: 3 }, 'too_many_lines', true],
  ] as const) {
    await withReceiver({ limits: { ...exact, ...limits } }, async ({ post, store }) => {
      const { status, error } = plain ? await post('audit', text) : await post('audit', gzipSync(text), GZIP);
      assert.equal([status, error?.code], [413, code]);
      assert.is(await store.count('audit'), 0);
    });
  }
});

it('a body that does not say its length is cut at the limit, too', async () => {
  await withReceiver({ limits: { bodyBytesMax: 1000 } }, async ({ url }) => {
    const chunks = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(600)),
    });
    const response = await fetch(`${url}/api/audit/v1/ingest`, {
      method: 'POST',
      body: chunks,
      duplex: 'half',
      headers: { authorization: `Bearer ${await signToken()}`, 'content-type': 'application/x-ndjson' },
    });
    assert.is(response.status, 413);
  });
});

it('a gibibyte of zeros in a small gzip is refused without being inflated', async () => {
  await withReceiver({}, async ({ post }) => {
    const bomb = Buffer.concat(Array.from({ length: 64 }, () => ZEROS_16_MIB));
    assert.ok(bomb.length < 1_100_000);
    const before = process.resourceUsage().maxRSS;
    const { status, error } = await post('audit', bomb, GZIP);
    assert.equal([status, error?.code], [413, 'body_too_large']);
    const grownMiB = (process.resourceUsage().maxRSS - before) / 1024;
    assert.ok(grownMiB < 64, `grew by ${grownMiB} MiB`);
  });
});

it('requests that together would hold too much memory are put off, and it is given back', async () => {
  const text = body(10);
  const pendingBytesMax = Buffer.byteLength(text);
  await withReceiver({ limits: { pendingBytesMax } }, async ({ post }) => {
    for (let n = 0; n < 3; n++) {
      const { status, error, headers } = await post('audit', body(11));
      assert.equal([status, error?.code, headers.get('retry-after')], [503, 'overloaded', '1']);
      assert.is((await post('audit', text)).status, 200);
    }
  });
});

it('a body that breaks off stores nothing', async () => {
  let settle: (response: Response) => void;
  const answered = new Promise<Response>((resolve) => (settle = resolve));
  const intercept: ReceiverOptions['intercept'] = async (received, receive) => {
    const response = await receive(received);
    settle(response.clone());
    return response;
  };
  await withReceiver({ intercept }, async ({ url, store }) => {
    const headers = {
      authorization: `Bearer ${await signToken()}`,
      'content-type': 'application/x-ndjson',
      'content-length': 10_000,
    };
    const client = httpRequest(`${url}/api/audit/v1/ingest`, { method: 'POST', headers });
    client.on('error', () => {});
    client.write(body(3), () => client.destroy());
    const response = await answered;
    assert.is(response.status, 400);
    assert.match(await response.text(), 'incomplete_body');
    assert.is(await store.count('audit'), 0);
  });
});

it.run();
