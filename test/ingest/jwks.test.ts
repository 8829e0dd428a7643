import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { IngestAuth } from '../../lib/ingest/index.js';
import { recordLines } from '../helpers/batch.js';
import { AUDIENCE, ISSUER, withReceiver } from '../helpers/receiver.js';
import type { Posted } from '../helpers/receiver.js';

const it = suite('ingest/jwks');

const PAIRS = {
  ed: { alg: 'EdDSA', ...generateKeyPairSync('ed25519') },
  ec: { alg: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  rsa: { alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
};
const stranger = generateKeyPairSync('ed25519').privateKey;

interface Issuer {
  auth: IngestAuth;
  /** How often the keys were asked for. */
  readonly asked: number;
  status: number;
}

/** Publishes the keys on a loopback port, as an issuer does. */
async function withIssuer(use: (issuer: Issuer) => Promise<void>): Promise<void> {
  const keys = Object.entries(PAIRS).map(([kid, { alg, publicKey }]) => ({
    ...publicKey.export({ format: 'jwk' }),
    kid,
    alg,
    use: 'sig',
  }));
  const state = { status: 200, asked: 0 };
  const server = createServer((_, response) => {
    state.asked++;
    response.writeHead(state.status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
  try {
    await use(Object.assign(state, { auth: { issuer: ISSUER, audience: AUDIENCE, jwksUrl } }));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function sign(kid: string | undefined, alg: string, key: KeyObject): Promise<string> {
  return new SignJWT({ sub: 'gateway' })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(key);
}

type Post = (kind: string, body: string, headers: Record<string, string>) => Promise<Posted>;

const statusOf = async (post: Post, token: string) =>
  (await post('audit', recordLines(1).join(''), { authorization: `Bearer ${token}` })).status;

it('a token is verified with the published key that it names, and keys are asked for once', async () => {
  await withIssuer(async (issuer) => {
    await withReceiver({ auth: issuer.auth }, async ({ post }) => {
      for (const [kid, { alg, privateKey }] of Object.entries(PAIRS)) {
        assert.is(await statusOf(post, await sign(kid, alg, privateKey)), 200, kid);
      }
      assert.is(await statusOf(post, await sign(undefined, 'ES256', PAIRS.ec.privateKey)), 200);
      assert.is(issuer.asked, 1);
    });
  });
});

it('a token of a key that is not published, or under the name of another, is refused', async () => {
  await withIssuer(async (issuer) => {
    await withReceiver({ auth: issuer.auth }, async ({ post }) => {
      assert.is(await statusOf(post, await sign('ed', 'EdDSA', stranger)), 401);
      assert.is(await statusOf(post, await sign('rsa', 'EdDSA', PAIRS.ed.privateKey)), 401);
      // However many there are: whoever makes tokens up does not make the receiver ask again and again.
      for (let n = 0; n < 5; n++)
        assert.is(await statusOf(post, await sign(`new-${n}`, 'EdDSA', stranger)), 401);
      assert.is(issuer.asked, 1);
    });
  });
});

it('what is published is no secret to sign with', async () => {
  await withIssuer(async (issuer) => {
    await withReceiver({ auth: issuer.auth }, async ({ post }) => {
      const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'gateway', iat: now, exp: now + 300 };
      const content = `${encode({ alg: 'HS256', kid: 'rsa' })}.${encode(claims)}`;
      const secret = PAIRS.rsa.publicKey.export({ type: 'spki', format: 'pem' });
      const forged = `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
      assert.is(await statusOf(post, forged), 401);
      assert.is(issuer.asked, 0);
    });
  });
});

it('keys that can not be had are an outage, not a refusal, and it ends when they can', async () => {
  await withIssuer(async (issuer) => {
    const errors: string[] = [];
    const onError = (error: unknown) => errors.push(String(error));
    await withReceiver({ auth: issuer.auth, onError }, async ({ post, store }) => {
      const token = await sign('ed', 'EdDSA', PAIRS.ed.privateKey);
      issuer.status = 500;
      const body = recordLines(1).join('');
      const { status, error, headers } = await post('audit', body, { authorization: `Bearer ${token}` });
      assert.equal([status, error?.code, headers.get('retry-after')], [503, 'unavailable', '1']);
      assert.match(errors.join(), /auth.jwksUrl/);
      assert.is(await store.count('audit'), 0);
      issuer.status = 200;
      assert.is(await statusOf(post, token), 200);
    });
  });
});

it.run();
