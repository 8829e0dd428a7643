import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { S2sTokenOptions } from '../../../lib/config.js';
import { WalError } from '../../../lib/errors.js';
import { tokenProvider } from '../../../lib/ship/auth/token.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const it = suite('ship/auth/token');

const LIFE_MS = 300_000;
const SECRET = 'a secret of thirty-two bytes, ok';
const BASE = { issuer: 'gateway-s2s', audience: 'log-service' };

function bringer(options: Partial<S2sTokenOptions> = {}, clock = new ManualClock()) {
  const given = 'key' in options || 'secret' in options ? options : { secret: SECRET, ...options };
  const provider = tokenProvider({ ...BASE, ...given }, clock);
  const { signal } = new AbortController();
  const bring = async (service = 'gateway', refresh = false) => provider({ service, refresh, signal });
  return { bring, clock };
}

async function verified(token: string, key: KeyObject, clock: ManualClock) {
  const currentDate = new Date(clock.now());
  return jwtVerify(token, key, { ...BASE, currentDate, requiredClaims: ['sub', 'iat', 'exp', 'jti'] });
}

function refusal(options: unknown): WalError {
  try {
    tokenProvider(options as S2sTokenOptions, new ManualClock());
  } catch (error) {
    if (error instanceof WalError) return error;
    throw error;
  }
  throw new Error('was taken');
}

const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const jwk = (key: KeyObject) => JSON.stringify(key.export({ format: 'jwk' }));

it('carries issuer, audience, service, a life of five minutes and an id of its own', async () => {
  const { bring, clock } = bringer();
  const { payload, protectedHeader } = await verified(await bring(), createSecretKey(SECRET, 'utf8'), clock);
  const { jti, ...claims } = payload;
  const iat = clock.now() / 1000;
  assert.equal(claims, { iss: 'gateway-s2s', aud: 'log-service', sub: 'gateway', iat, exp: iat + 300 });
  assert.match(jti!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(protectedHeader, { alg: 'HS256', typ: 'JWT' });
});

it('signs by the type of the key, given as PEM or as JWK', async () => {
  const pairs = {
    EdDSA: generateKeyPairSync('ed25519'),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  };
  for (const [alg, { privateKey, publicKey }] of Object.entries(pairs)) {
    for (const key of [pem(privateKey), `\n${pem(privateKey)}\n`, jwk(privateKey), ` ${jwk(privateKey)}`]) {
      const { bring, clock } = bringer({ key, keyId: 'k-2026' });
      const { protectedHeader } = await verified(await bring(), publicKey, clock);
      assert.equal(protectedHeader, { alg, typ: 'JWT', kid: 'k-2026' });
    }
  }
});

it('gives one token out until 80 % of its life, then a new one', async () => {
  const { bring, clock } = bringer();
  const first = await bring();
  clock.advance(LIFE_MS * 0.8 - 1);
  assert.is(await bring(), first);
  clock.advance(1);
  const second = await bring();
  assert.is.not(second, first);
  assert.is(decodeJwt(second).iat, clock.now() / 1000);
});

it('counts the life from the second that iat names, not from the moment of signing', async () => {
  const { bring, clock } = bringer({}, new ManualClock(1_767_225_600_900));
  const first = await bring();
  clock.advance(LIFE_MS * 0.8 - 900);
  assert.is.not(await bring(), first);
});

it('does not give out a token of the future after the clock was set back', async () => {
  const { bring, clock } = bringer();
  const first = await bring();
  clock.advance(-60_000);
  const second = await bring();
  assert.is.not(second, first);
  assert.is(decodeJwt(second).iat, clock.now() / 1000);
});

it('a refresh makes a new one, which is then the one given out', async () => {
  const { bring } = bringer();
  const first = await bring();
  const second = await bring('gateway', true);
  assert.is.not(second, first);
  assert.is(await bring(), second);
});

it('callers that come while a token is being signed share it, also where some refresh', async () => {
  const { bring, clock } = bringer();
  const cold = await Promise.all([bring(), bring(), bring('gateway', true), bring()]);
  assert.is(new Set(cold).size, 1);
  clock.advance(LIFE_MS);
  const warm = await Promise.all(Array.from({ length: 100 }, () => bring()));
  assert.is(new Set(warm).size, 1);
  assert.is.not(warm[0], cold[0]);
});

it('each service has a token of its own', async () => {
  const { bring } = bringer();
  const [gateway, billing] = await Promise.all([bring('gateway'), bring('billing')]);
  assert.is(decodeJwt(gateway).sub, 'gateway');
  assert.is(decodeJwt(billing).sub, 'billing');
  assert.is(await bring('gateway'), gateway);
});

it('holds tokens of at most 64 services; the one held longest makes room', async () => {
  const { bring } = bringer();
  const first = await bring('service-0');
  const second = await bring('service-1');
  for (let n = 2; n <= 64; n++) await bring(`service-${n}`);
  assert.is(await bring('service-1'), second);
  assert.is.not(await bring('service-0'), first);
});

it('has no kid where no keyId was given', async () => {
  const { bring } = bringer();
  assert.not('kid' in decodeProtectedHeader(await bring()));
});

it('what does not fit is refused when it is made, by name', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const table: [unknown, RegExp][] = [
    [undefined, /token/],
    [null, /token/],
    ['eyJhbGciOiJIUzI1NiJ9', /token/],
    [{ ...BASE }, /either a secret or a key/],
    [{ ...BASE, secret: SECRET, key: pem(privateKey) }, /either a secret or a key/],
    [{ ...BASE, secret: 'short' }, /token\.secret .* 5 bytes/],
    [{ ...BASE, secret: 7 }, /token\.secret/],
    [{ ...BASE, secret: SECRET, issuer: '' }, /token\.issuer/],
    [{ ...BASE, secret: SECRET, audience: undefined }, /token\.audience/],
    [{ ...BASE, secret: SECRET, keyId: '' }, /token\.keyId/],
    [{ ...BASE, secret: SECRET, keyID: 'k' }, /'keyID'/],
  ];
  for (const [options, message] of table) {
    const error = refusal(options);
    assert.is(error.code, 'WAL_CONFIG');
    assert.match(error.message, message);
  }
});

it('a key that is too weak, of another type, encrypted, public or broken is refused, and not shown', () => {
  const ed = generateKeyPairSync('ed25519');
  const { d, ...publicJwk } = ed.privateKey.export({ format: 'jwk' });
  const encrypted = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  const broken = `{"kty":"OKP","crv":"Ed25519","d":"${d}",}`;
  const table: [unknown, RegExp][] = [
    [pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey), /RSA of 1024 bits/],
    [pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey), /curve secp384r1/],
    [jwk(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey), /curve secp256k1/],
    [pem(generateKeyPairSync('ed448').privateKey), /type ed448/],
    [pem(generateKeyPairSync('x25519').privateKey), /type x25519/],
    [pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey), /type rsa-pss/],
    [ed.privateKey.export(encrypted), /can't be read/],
    [ed.publicKey.export({ type: 'spki', format: 'pem' }), /can't be read/],
    [JSON.stringify(publicJwk), /can't be read/],
    [JSON.stringify({ kty: 'oct', k: Buffer.from(SECRET).toString('base64url') }), /can't be read/],
    [JSON.stringify({ ...publicJwk, d: [d] }), /can't be read/],
    [broken, /can't be read/],
    [`secret-${d}`, /can't be read/],
    ['', /can't be read/],
    [7, /type number/],
  ];
  for (const [key, message] of table) {
    const error = refusal({ ...BASE, key });
    assert.is(error.code, 'WAL_CONFIG');
    assert.match(error.message, /token\.key/);
    assert.match(error.message, message);
    assert.not.ok(inspect(error, { depth: null, showHidden: true }).includes(d!), error.message);
  }
});

it.run();
