// Keys that verify: read, judged, and each bound to the algorithms it may verify. Knows neither tokens nor requests.

import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { createRemoteJWKSet, errors } from 'jose';
import type { JWTVerifyGetKey } from 'jose';
import { checkSecret, expected } from '../config.js';
import { WalError, messageOf } from '../errors.js';

/** Where tokens' keys come from: exactly one of these. */
export interface KeySource {
  /** HS256 with this secret, at least 32 bytes. */
  secret?: string;
  /** A public key as PEM (SPKI) or JWK (JSON text): Ed25519 for EdDSA, P-256 for ES256, RSA from 2048 bits for RS256. */
  key?: string;
  /**
   * Where the issuer publishes its public keys (a JWK Set), `https` outside of tests. They are kept for 10 minutes,
   * and asked for again when a token names one that is not among them, at most every 30 s.
   */
  jwksUrl?: string;
}

/** What verifies a token, and the only algorithms it may verify: the key says which, never the token. */
export interface VerificationKey {
  keyOf: JWTVerifyGetKey;
  algorithms: string[];
}

const RSA_BITS_MIN = 2048;
// RFC 9864 gave EdDSA with Ed25519 a name of its own: one algorithm, two names.
const ED25519 = ['EdDSA', 'Ed25519'];
const JWKS_TIMEOUT_MS = 5_000;
const JWKS_KEPT_MS = 600_000;
const JWKS_COOLDOWN_MS = 30_000;

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function verificationKeyOf({ secret, key, jwksUrl }: KeySource): VerificationKey {
  if ([secret, key, jwksUrl].filter((source) => source !== undefined).length !== 1) {
    throw new WalError('WAL_CONFIG', 'expected auth to have one of secret, key and jwksUrl');
  }
  if (secret !== undefined) {
    const bytes = new TextEncoder().encode(checkSecret('auth.secret', secret));
    return { keyOf: async () => bytes, algorithms: ['HS256'] };
  }
  if (jwksUrl !== undefined) return remoteKeys(jwksUrl);
  const publicKey = parsePublicKey('auth.key', key);
  return { keyOf: async () => publicKey, algorithms: algorithmsFor(publicKey) };
}

/** Public keys only, so no algorithm here takes what is published for a secret. */
function remoteKeys(url: unknown): VerificationKey {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:' && parsed?.protocol !== 'http:') {
    throw expected('auth.jwksUrl', 'an http or https URL', url);
  }
  const keys = createRemoteJWKSet(parsed, {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cacheMaxAge: JWKS_KEPT_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
  });
  return {
    algorithms: [...ED25519, 'ES256', 'RS256'],
    keyOf: async (header, token) => {
      try {
        return await keys(header, token);
      } catch (cause) {
        const { JWKSNoMatchingKey, JWKSMultipleMatchingKeys, JOSENotSupported } = errors;
        const isTokens = [JWKSNoMatchingKey, JWKSMultipleMatchingKeys, JOSENotSupported].some(
          (kind) => cause instanceof kind,
        );
        if (isTokens) throw cause;
        // Nothing is wrong with the token: that its keys can't be had is an outage, and must not look like a refusal.
        throw new WalError('WAL_IO', `can't get the keys at auth.jwksUrl: ${messageOf(cause)}`, { cause });
      }
    },
  };
}

/** @throws {WalError} `WAL_CONFIG`: not a public key. */
export function parsePublicKey(option: string, text: unknown): KeyObject {
  try {
    if (typeof text !== 'string' || text === '') throw new TypeError('it is not a text');
    if (!text.trimStart().startsWith('{')) {
      // Node would take the public half of it; a private key has no business here at all.
      if (text.includes('PRIVATE KEY')) throw new TypeError('it is a private key');
      return createPublicKey(text);
    }
    const jwk = JSON.parse(text) as JsonWebKeyInput['key'];
    if ('d' in jwk || 'k' in jwk) throw new TypeError('it is a private or a secret key');
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (cause) {
    throw new WalError(
      'WAL_CONFIG',
      `expected ${option} to be a public key as PEM (SPKI) or JWK: ${messageOf(cause)}`,
      { cause },
    );
  }
}

function algorithmsFor(key: KeyObject): string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return ED25519;
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return ['ES256'];
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= RSA_BITS_MIN) return ['RS256'];
  throw expected('auth.key', `an Ed25519, P-256 or RSA key (RSA from ${RSA_BITS_MIN} bits)`, type);
}
