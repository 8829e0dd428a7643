import { createHash, createHmac, generateKeyPairSync, verify } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HttpSinkOptions } from '../../../lib/config.js';
import { WalError } from '../../../lib/errors.js';
import { requestSigner } from '../../../lib/ship/auth/signature.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const it = suite('ship/auth/signature');

const SECRET = 'a secret of thirty-two bytes, ok';
const ed25519 = generateKeyPairSync('ed25519');
const PRIVATE_PEM = ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const CREATED = 1_767_225_600;
const BODY = Buffer.from('{"id":"w:audit:1","seq":1,"kind":"audit","record":{}}\n');
const REQUEST = {
  method: 'POST',
  url: new URL('https://logs.internal:8443/base%20path/api/audit/v1/ingest'),
  headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'LOG:audit:1-1:00c0ffee' },
  body: BODY,
};

function signerOf(signingKey: NonNullable<HttpSinkOptions['signingKey']>) {
  return requestSigner(signingKey, new ManualClock(CREATED * 1000 + 999));
}

it('the digest is sha-256 over the bytes sent', async () => {
  const hash = createHash('sha256').update(BODY).digest('base64');
  assert.is((await signerOf(SECRET)(REQUEST))['content-digest'], `sha-256=:${hash}:`);
});

it('adds digest, signature input and signature, and nothing else', async () => {
  const added = Object.keys(await signerOf(SECRET)(REQUEST));
  assert.equal(added.toSorted(), ['content-digest', 'signature', 'signature-input']);
});

it('the signature is the HMAC of the base that RFC 9421 describes, built here by hand', async () => {
  const headers = await signerOf({ keyId: 'wal-2026', secret: SECRET })(REQUEST);
  const params = `("@method" "@path" "content-digest" "idempotency-key");created=${CREATED};keyid="wal-2026";alg="hmac-sha256"`;
  const base = [
    '"@method": POST',
    '"@path": /base%20path/api/audit/v1/ingest',
    `"content-digest": sha-256=:${createHash('sha256').update(BODY).digest('base64')}:`,
    '"idempotency-key": LOG:audit:1-1:00c0ffee',
    `"@signature-params": ${params}`,
  ].join('\n');
  assert.is(headers['signature-input'], `sig1=${params}`);
  assert.is(headers['signature'], `sig1=:${createHmac('sha256', SECRET).update(base).digest('base64')}:`);
});

it('with an Ed25519 key, the same base is signed by it', async () => {
  const headers = await signerOf({ keyId: 'ed-1', key: PRIVATE_PEM })(REQUEST);
  const params = headers['signature-input']!.replace(/^sig1=/, '');
  assert.match(params, /;keyid="ed-1";alg="ed25519"$/);
  const digest = headers['content-digest'];
  const base = `"@method": POST\n"@path": ${REQUEST.url.pathname}\n"content-digest": ${digest}\n"idempotency-key": LOG:audit:1-1:00c0ffee\n"@signature-params": ${params}`;
  const [, signature] = /^sig1=:(.*):$/.exec(headers['signature']!) ?? [];
  const bytes = Buffer.from(signature!, 'base64');
  assert.ok(verify(null, Buffer.from(base), ed25519.publicKey, bytes));
  assert.not.ok(verify(null, Buffer.from(`${base} `), ed25519.publicKey, bytes));
});

it('a plain secret goes under the key id "default"', async () => {
  const headers = await signerOf(SECRET)(REQUEST);
  assert.match(headers['signature-input']!, /;keyid="default";/);
});

it('a key id with quotes and backslashes is escaped, in the header and under the HMAC', async () => {
  const headers = await signerOf({ keyId: 'a"b\\c', secret: SECRET })(REQUEST);
  const params = headers['signature-input']!.replace(/^sig1=/, '');
  assert.ok(params.includes(';keyid="a\\"b\\\\c";'), params);
  const digest = headers['content-digest'];
  const base = `"@method": POST\n"@path": ${REQUEST.url.pathname}\n"content-digest": ${digest}\n"idempotency-key": LOG:audit:1-1:00c0ffee\n"@signature-params": ${params}`;
  assert.is(headers['signature'], `sig1=:${createHmac('sha256', SECRET).update(base).digest('base64')}:`);
});

it('other bytes, another path, key or id make another signature', async () => {
  const sign = signerOf(SECRET);
  const variants = [
    REQUEST,
    { ...REQUEST, body: Buffer.from(BODY).fill(0x20, 0, 1) },
    { ...REQUEST, method: 'PUT' },
    { ...REQUEST, url: new URL('https://logs.internal:8443/api/log/v1/ingest') },
    { ...REQUEST, headers: { ...REQUEST.headers, 'idempotency-key': 'LOG:audit:1-1:00c0ffef' } },
  ];
  const signatures = await Promise.all(variants.map(async (request) => (await sign(request))['signature']));
  signatures.push((await signerOf('another secret of thirty-two by.')(REQUEST))['signature']);
  assert.is(new Set(signatures).size, variants.length + 1);
});

it('a key that can not be used is refused when it is made, and not shown', () => {
  const table: [unknown, RegExp][] = [
    ['hunter2', /signingKey .* 7 bytes/],
    [7, /signingKey/],
    [null, /signingKey/],
    [{ secret: SECRET }, /signingKey\.keyId/],
    [{ keyId: '', secret: SECRET }, /signingKey\.keyId/],
    [{ keyId: 'schlüssel', secret: SECRET }, /signingKey\.keyId/],
    [{ keyId: 'a\nb', secret: SECRET }, /signingKey\.keyId/],
    [{ keyId: 'k'.repeat(257), secret: SECRET }, /signingKey\.keyId/],
    [{ keyId: 'k', secret: 'hunter2' }, /signingKey\.secret .* 7 bytes/],
    [{ keyId: 'k', secret: SECRET, alg: 'none' }, /'alg'/],
    [{ keyId: 'k' }, /signingKey\.secret/],
    [{ keyId: 'k', secret: SECRET, key: PRIVATE_PEM }, /either a secret or a key/],
    [{ keyId: 'k', key: 7 }, /signingKey\.key/],
    [{ keyId: 'k', key: PRIVATE_PEM.replace('MC4', 'hunter2') }, /signingKey\.key/],
    [{ keyId: 'k', key: '{"kty":"OKP","hunter2"' }, /signingKey\.key/],
    [{ keyId: 'k', key: ed25519.publicKey.export({ type: 'spki', format: 'pem' }) }, /signingKey\.key/],
    [{ keyId: 'k', key: p256.export({ type: 'pkcs8', format: 'pem' }) }, /signingKey\.key.*ec/],
  ];
  for (const [given, message] of table) {
    try {
      signerOf(given as string);
      assert.unreachable(`${message} was taken`);
    } catch (error) {
      assert.instance(error, WalError);
      assert.match((error as WalError).message, message);
      assert.not.match((error as WalError).message, /hunter2|thirty-two/);
    }
  }
});

it.run();
