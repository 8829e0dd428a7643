// The S2S JWT: made, cached until 80 % of its life, and made anew when it was refused. Knows claims and keys,
// not requests. Neither a token nor a key ever gets into a message, so errors of parsers are never passed on.

import { createPrivateKey, createSecretKey, randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SignJWT } from 'jose';
import type { Clock } from '../../clock.js';
import { checkSecret, expected } from '../../config.js';
import type { S2sTokenOptions, TokenProvider } from '../../config.js';
import { WalError, messageOf } from '../../errors.js';
import type { ClockSkew } from './skew.js';

const LIFE_S = 300;
const RENEW_AFTER_MS = LIFE_S * 1000 * 0.8;
const RSA_BITS_MIN = 2048;
/** Services whose tokens are held at once; beyond it the one held longest is made again when asked for. */
const SERVICES_MAX = 64;

interface SigningKey {
  alg: 'HS256' | 'EdDSA' | 'ES256' | 'RS256';
  key: KeyObject;
}

/** What is known of a service's token. */
type Held =
  { at: 'signing'; token: Promise<string> } | { at: 'valid'; token: string; from: number; until: number };

/**
 * Brings S2S tokens: `iss`, `aud`, `sub` = service, `iat`, `exp` (5 min), `jti`. One is signed per service and
 * given out until 80 % of its life; callers that come while it is being signed share it. Time is the receiver's, as
 * far as `skew` knows it: whoever is late by minutes would only make tokens of the past.
 *
 * @throws {WalError} `WAL_CONFIG`: an option is missing, unknown or malformed, or the key is of no known type.
 */
export function tokenProvider(
  options: S2sTokenOptions,
  clock: Clock,
  skew: Pick<ClockSkew, 'ms'> = { ms: 0 },
): TokenProvider {
  const { issuer, audience, keyId, signingKey } = checkOptions(options);
  const services = new Map<string, Held>();
  const now = () => clock.now() + (skew.ms ?? 0);

  async function sign(service: string): Promise<string> {
    const issuedAtS = Math.floor(now() / 1000);
    try {
      const token = await new SignJWT()
        .setProtectedHeader({ alg: signingKey.alg, typ: 'JWT', ...(keyId !== undefined && { kid: keyId }) })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(service)
        .setIssuedAt(issuedAtS)
        .setExpirationTime(issuedAtS + LIFE_S)
        .setJti(randomUUID())
        .sign(signingKey.key);
      const from = issuedAtS * 1000;
      services.set(service, { at: 'valid', token, from, until: from + RENEW_AFTER_MS });
      return token;
    } catch (error) {
      services.delete(service);
      throw error;
    }
  }

  return ({ service, refresh }) => {
    const held = services.get(service);
    // Joined by a refresh as well: what is being signed is newer than any token that was refused.
    if (held?.at === 'signing') return held.token;
    if (held && !refresh && isCurrent(held, now())) return held.token;
    const oldest = services.keys().next();
    if (!held && services.size >= SERVICES_MAX && !oldest.done) services.delete(oldest.value);
    const token = sign(service);
    services.set(service, { at: 'signing', token });
    return token;
  };
}

/** By the wall clock, because receivers judge by theirs; one that was set back makes a token of the future. */
function isCurrent(held: { from: number; until: number }, now: number): boolean {
  return now >= held.from && now < held.until;
}

function checkOptions(options: S2sTokenOptions) {
  if (typeof options !== 'object' || options === null) {
    throw expected('token', 'a function or { issuer, audience, secret or key }', typeof options);
  }
  const { issuer, audience, secret, key, keyFile, keyId, ...unknown } = options;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) throw new WalError('WAL_CONFIG', `token has no option '${stray}'`);
  if (keyId !== undefined) checkText('token.keyId', keyId);
  if ([secret, key, keyFile].filter((given) => given !== undefined).length !== 1) {
    throw new WalError('WAL_CONFIG', 'expected token to have either a secret or a key, or a keyFile');
  }
  const keyText = keyFile === undefined ? key : readKeyFile(keyFile);
  return {
    issuer: checkText('token.issuer', issuer),
    audience: checkText('token.audience', audience),
    keyId: keyId ?? idOfJwk(keyText),
    signingKey: keyText === undefined ? secretKey(secret) : privateKey(keyText),
  };
}

function checkText(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw expected(option, 'a text', value);
}

function secretKey(secret: unknown): SigningKey {
  return { alg: 'HS256', key: createSecretKey(checkSecret('token.secret', secret), 'utf8') };
}

function readKeyFile(path: unknown): string {
  if (typeof path !== 'string') throw expected('token.keyFile', 'a path', path);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new WalError('WAL_CONFIG', `can't read token.keyFile: ${messageOf(cause)}`, { cause });
  }
}

/** A JWK may say its own id. */
function idOfJwk(text: unknown): string | undefined {
  if (typeof text !== 'string' || !text.trimStart().startsWith('{')) return undefined;
  try {
    const { kid } = JSON.parse(text) as { kid?: unknown };
    return typeof kid === 'string' && kid !== '' ? kid : undefined;
  } catch {
    // That it can't be read is said where the key is needed.
    return undefined;
  }
}

function privateKey(text: unknown): SigningKey {
  const key = parseKey(text);
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { alg: 'EdDSA', key };
    case 'ec':
      if (namedCurve === 'prime256v1') return { alg: 'ES256', key };
      throw badKey(`is on the curve ${namedCurve}, not P-256`);
    case 'rsa':
      if (modulusLength >= RSA_BITS_MIN) return { alg: 'RS256', key };
      throw badKey(`is RSA of ${modulusLength} bits, at least ${RSA_BITS_MIN} are needed`);
    default:
      throw badKey(`is of type ${key.asymmetricKeyType}`);
  }
}

function parseKey(text: unknown): KeyObject {
  if (typeof text !== 'string') throw badKey(`is of type ${typeof text}`);
  try {
    if (!text.trimStart().startsWith('{')) return createPrivateKey(text);
    return createPrivateKey({ key: JSON.parse(text) as Record<string, unknown>, format: 'jwk' });
  } catch (error) {
    // Only the code: the message may quote what it could not read, and that is the key.
    const code = (error as { code?: unknown }).code;
    throw badKey(`can't be read as one${typeof code === 'string' ? ` (${code})` : ''}`);
  }
}

function badKey(what: string): WalError {
  return new WalError(
    'WAL_CONFIG',
    `expected token.key to be an unencrypted private key, Ed25519, P-256 or RSA, as PEM (PKCS #8) or JWK; the one given ${what}`,
  );
}
