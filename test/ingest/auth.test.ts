import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { SignJWT, UnsecuredJWT } from 'jose';
import type { JWTPayload } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { tokenAuthentication } from '../../lib/ingest/auth.js';
import type { IngestAuth } from '../../lib/ingest/auth.js';
import { Refusal } from '../../lib/ingest/refusal.js';
import { ManualClock } from '../helpers/manual-clock.js';

const it = suite('ingest/auth');

const SECRET = 'a secret of the tests, 32 bytes and more';
const clock = new ManualClock();
const NOW_S = clock.now() / 1000;
const HMAC: IngestAuth = { issuer: 'sts', audience: 'ingest', secret: SECRET };

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' });
const ed25519 = generateKeyPairSync('ed25519');
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

interface Signing {
  alg?: string;
  key?: Uint8Array | KeyObject;
}

type Claims = { [Name in keyof JWTPayload]: JWTPayload[Name] | undefined };

/** The usual claims; `undefined` takes one away. */
const claimsOf = (over: Claims = {}): JWTPayload => {
  const usual = { iss: 'sts', aud: 'ingest', sub: 'gateway', iat: NOW_S, exp: NOW_S + 300, jti: '1' };
  return Object.fromEntries(Object.entries({ ...usual, ...over }).filter(([, value]) => value !== undefined));
};

function sign(over: Claims = {}, { alg = 'HS256', key }: Signing = {}): Promise<string> {
  return new SignJWT(claimsOf(over))
    .setProtectedHeader({ alg })
    .sign(key ?? new TextEncoder().encode(SECRET));
}

function authenticate(auth: IngestAuth, authorization: string | undefined) {
  const headers = new Headers(authorization === undefined ? {} : { authorization });
  return tokenAuthentication(auth, clock)(new Request('http://x/', { headers }));
}

/** The `www-authenticate` of a 401, or `accepted`. */
async function challengeOf(auth: IngestAuth, authorization: string | undefined): Promise<string> {
  try {
    await authenticate(auth, authorization);
    return 'accepted';
  } catch (error) {
    assert.instance(error, Refusal);
    const { status, code, headers } = error as Refusal;
    assert.equal([status, code], [401, 'unauthorized']);
    return headers['www-authenticate'] ?? 'no challenge';
  }
}

function configErrorOf(options: object): string {
  try {
    tokenAuthentication(options as IngestAuth, clock);
  } catch (error) {
    assert.instance(error, WalError);
    assert.is((error as WalError).code, 'WAL_CONFIG');
    return (error as WalError).message;
  }
  return 'accepted';
}

it('a valid token says who is calling', async () => {
  const { service, claims } = await authenticate(HMAC, `Bearer ${await sign()}`);
  assert.is(service, 'gateway');
  assert.is(claims.jti, '1');
  assert.is(await challengeOf(HMAC, `bearer  ${await sign({ aud: ['other', 'ingest'] })}`), 'accepted');
});

it('who brings no token is only told that one is needed', async () => {
  assert.is(await challengeOf(HMAC, undefined), 'Bearer realm="nv-wal"');
});

it('what is not one bearer token is refused', async () => {
  const token = await sign();
  for (const header of ['', 'Bearer', 'Basic abc', token, `Bearer ${token}, Bearer ${token}`]) {
    assert.match(await challengeOf(HMAC, header), 'error="invalid_request"', header);
  }
});

const REFUSED: [string, Claims, RegExp][] = [
  ['of another issuer', { iss: 'other' }, /iss/],
  ['for another audience', { aud: 'log-viewer' }, /aud/],
  ['without an audience', { aud: undefined }, /aud/],
  ['without a subject', { sub: undefined }, /sub/],
  ['with an empty subject', { sub: '' }, /sub/],
  ['without an end', { exp: undefined }, /exp/],
  ['without a beginning', { iat: undefined }, /iat/],
  ['that has expired', { exp: NOW_S - 60 }, /exp/],
  ['that is not valid yet', { nbf: NOW_S + 61 }, /nbf/],
  ['from the future', { iat: NOW_S + 61 }, /iat/],
  ['that is older than an hour, whatever its end', { iat: NOW_S - 3661, exp: NOW_S + 1e6 }, /iat/],
];
for (const [what, claims, reason] of REFUSED) {
  it(`a token ${what} is refused, with the claim`, async () => {
    const challenge = await challengeOf(HMAC, `Bearer ${await sign(claims)}`);
    assert.match(challenge, 'error="invalid_token"');
    assert.match(challenge, reason);
    assert.match(challenge, /^Bearer realm="nv-wal", error="[a-z_]+", error_description="[^"\\]*"$/);
  });
}

it('a clock that is a minute off is tolerated', async () => {
  for (const claims of [{ exp: NOW_S - 59 }, { iat: NOW_S + 60 }, { nbf: NOW_S + 60 }]) {
    assert.is(await challengeOf(HMAC, `Bearer ${await sign(claims)}`), 'accepted');
  }
  const strict = { ...HMAC, clockToleranceMs: 0 };
  assert.match(await challengeOf(strict, `Bearer ${await sign({ exp: NOW_S })}`), /exp/);
});

it('a token that was changed, or signed with another secret, is refused', async () => {
  const [header, , signature] = (await sign()).split('.');
  const claims = encode(claimsOf({ sub: 'root' }));
  assert.match(await challengeOf(HMAC, `Bearer ${header}.${claims}.${signature}`), 'invalid_token');
  const key = new TextEncoder().encode(`${SECRET}!`);
  assert.match(await challengeOf(HMAC, `Bearer ${await sign({}, { key })}`), 'invalid_token');
});

it('an unsigned token is refused, whatever the key', async () => {
  const none = new UnsecuredJWT(claimsOf()).encode();
  for (const auth of [HMAC, { ...HMAC, secret: undefined, key: pemOf(rsa.publicKey) }]) {
    assert.match(await challengeOf(auth as IngestAuth, `Bearer ${none}`), 'invalid_token');
  }
});

const KEYS: [string, string, KeyObject, KeyObject][] = [
  ['Ed25519', 'EdDSA', ed25519.publicKey, ed25519.privateKey],
  ['P-256', 'ES256', p256.publicKey, p256.privateKey],
  ['RSA', 'RS256', rsa.publicKey, rsa.privateKey],
];
for (const [name, alg, publicKey, privateKey] of KEYS) {
  const base = { issuer: 'sts', audience: 'ingest' };

  it(`an ${name} key verifies ${alg}, as PEM and as JWK`, async () => {
    const token = await sign({}, { alg, key: privateKey });
    for (const key of [pemOf(publicKey), JSON.stringify(publicKey.export({ format: 'jwk' }))]) {
      assert.is(await challengeOf({ ...base, key: key.toString() }, `Bearer ${token}`), 'accepted');
    }
  });

  it(`the text of an ${name} key is no secret to sign with`, async () => {
    const pem = pemOf(publicKey).toString();
    const content = `${encode({ alg: 'HS256' })}.${encode(claimsOf())}`;
    for (const secret of [pem, pem.trim()]) {
      const forged = `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
      assert.match(await challengeOf({ ...base, key: pem }, `Bearer ${forged}`), 'invalid_token');
    }
  });

  it(`an ${name} key verifies no other key's tokens`, async () => {
    for (const [, otherAlg, , other] of KEYS.filter(([, , , key]) => key !== privateKey)) {
      const token = await sign({}, { alg: otherAlg, key: other });
      const auth = { ...base, key: pemOf(publicKey).toString() };
      assert.match(await challengeOf(auth, `Bearer ${token}`), 'invalid_token');
      assert.match(await challengeOf(HMAC, `Bearer ${token}`), 'invalid_token');
    }
  });
}

it('only the one algorithm of a key is accepted', async () => {
  const token = await sign({}, { alg: 'PS256', key: rsa.privateKey });
  const auth = { issuer: 'sts', audience: 'ingest', key: pemOf(rsa.publicKey).toString() };
  assert.match(await challengeOf(auth, `Bearer ${token}`), 'invalid_token');
  const hs512 = await sign({}, { alg: 'HS512', key: new TextEncoder().encode(SECRET.repeat(2)) });
  assert.match(await challengeOf({ ...HMAC, secret: SECRET.repeat(2) }, `Bearer ${hs512}`), 'invalid_token');
});

it('whatever stands in for a token is a 401', async () => {
  const part = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{0,40}$/),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc.constantFrom(
      encode({ alg: 'HS256' }),
      encode({ alg: 'none' }),
      encode({ alg: 'HS256', b64: false, crit: ['b64'] }),
    ),
  );
  const tokens = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.'));
  await fc.assert(
    fc.asyncProperty(tokens, async (token) => {
      assert.is.not(await challengeOf(HMAC, `Bearer ${token}`), 'accepted');
    }),
    { numRuns: 300 },
  );
});

it('options that do not fit are named, and secrets are not shown', () => {
  const { secret: _, ...keyless } = HMAC;
  assert.match(configErrorOf(keyless), /one of secret, key and jwksUrl/);
  assert.match(configErrorOf({ ...HMAC, key: pemOf(rsa.publicKey) }), /one of secret, key and jwksUrl/);
  assert.match(configErrorOf({ ...keyless, jwksUrl: 'file:///keys' }), /auth.jwksUrl/);
  assert.match(configErrorOf({ ...HMAC, callers: 'gateway' }), /auth.callers/);
  assert.match(configErrorOf({ ...HMAC, onBehalfOf: { relay: true } }), /auth.onBehalfOf\['relay'\]/);
  assert.match(configErrorOf({ ...HMAC, issuer: '' }), /auth.issuer/);
  assert.match(configErrorOf({ ...HMAC, audience: undefined }), /auth.audience/);
  assert.match(configErrorOf({ ...HMAC, clockToleranceMs: -1 }), /auth.clockToleranceMs/);
  assert.match(configErrorOf({ ...HMAC, tokenAgeMaxMs: 1 }), /auth.tokenAgeMaxMs/);
  const short = configErrorOf({ ...HMAC, secret: 'hunter2' });
  assert.match(short, /auth.secret.*32 bytes/);
  assert.not.match(short, /hunter2/);
});

it('a key that can not verify is refused at the door', () => {
  const { secret: _, ...keyless } = HMAC;
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const keys = [
    'hello',
    '{}',
    '{"kty":"oct","k":"c2VjcmV0"}',
    ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    JSON.stringify(ed25519.privateKey.export({ format: 'jwk' })),
    pemOf(short.publicKey),
    pemOf(p384.publicKey),
  ];
  for (const key of keys) assert.match(configErrorOf({ ...keyless, key }), /auth.key/, String(key));
});

it.run();
