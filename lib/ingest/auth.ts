// Who is calling: verifies the S2S JWT of a request. Tokens are jose's; which of them count is decided here.

import { createPublicKey, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import type { Clock } from '../clock.js';
import { checkInteger, checkSecret, expected } from '../config.js';
import { WalError, messageOf } from '../errors.js';
import { Refusal } from './refusal.js';

/** Which tokens are accepted: those of one issuer for one audience, signed with one key. */
export interface IngestAuth {
  /** The token's `iss`. */
  issuer: string;
  /** The token's `aud`, or one of them. */
  audience: string;
  /** HS256 with this secret, at least 32 bytes. Either this or `key`. */
  secret?: string;
  /** A public key as PEM (SPKI) or JWK (JSON text): Ed25519 for EdDSA, P-256 for ES256, RSA from 2048 bits for RS256. */
  key?: string;
  /** How far the sender's clock may be off, in ms. Integer, 0 to 600,000. @default 60_000 */
  clockToleranceMs?: number;
  /** How old a token may be, whatever its `exp` says, in ms. Integer, 1000 to 86,400,000. @default 3_600_000 */
  tokenAgeMaxMs?: number;
}

/** The bearer of a valid token. */
export interface Caller {
  /** The token's `sub`: the service that is calling. */
  service: string;
  claims: Readonly<JWTPayload>;
}

/** @throws {Refusal} 401, with `www-authenticate` saying why. */
export type Authenticate = (request: Request) => Promise<Caller>;

const REALM = 'nv-wal';
const CLOCK_TOLERANCE_MS = 60_000;
const TOKEN_AGE_MAX_MS = 3_600_000;
const RSA_BITS_MIN = 2048;
/** RFC 6750: `Bearer`, in any case, one space or more, and one token. */
const BEARER_PATTERN = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** What verifies a token, and the only algorithms it may verify: the key says which, never the token. */
interface VerificationKey {
  key: Uint8Array | KeyObject;
  algorithms: string[];
}

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function tokenAuthentication(options: IngestAuth, clock: Clock): Authenticate {
  const { key, algorithms } = verificationKeyOf(options);
  const tolerance = checkInteger(
    'auth.clockToleranceMs',
    options.clockToleranceMs ?? CLOCK_TOLERANCE_MS,
    0,
    600_000,
  );
  const ageMax = checkInteger(
    'auth.tokenAgeMaxMs',
    options.tokenAgeMaxMs ?? TOKEN_AGE_MAX_MS,
    1000,
    86_400_000,
  );
  const claimRules = {
    algorithms,
    issuer: checkText('auth.issuer', options.issuer),
    audience: checkText('auth.audience', options.audience),
    clockTolerance: tolerance / 1000,
    maxTokenAge: ageMax / 1000,
    requiredClaims: ['sub', 'exp'],
  };
  return async (request) => {
    const token = bearerOf(request);
    try {
      const { payload } = await jwtVerify(token, key, { ...claimRules, currentDate: new Date(clock.now()) });
      return callerOf(payload);
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause;
      throw unauthorized('invalid_token', cause.message, cause);
    }
  };
}

function bearerOf(request: Request): string {
  const header = request.headers.get('authorization');
  if (header === null) {
    // RFC 6750: who brought no token is told of none that was wrong.
    throw new Refusal(401, 'unauthorized', 'a bearer token is required', {
      headers: { 'www-authenticate': `Bearer realm="${REALM}"` },
    });
  }
  const token = BEARER_PATTERN.exec(header)?.[1];
  if (token === undefined) throw unauthorized('invalid_request', 'authorization is not one bearer token');
  return token;
}

function callerOf(claims: JWTPayload): Caller {
  const { sub } = claims;
  if (typeof sub !== 'string' || sub === '') throw unauthorized('invalid_token', 'sub is not a name');
  return { service: sub, claims };
}

function unauthorized(error: string, description: string, cause?: unknown): Refusal {
  // What stands in a quoted string must neither end it nor leave ASCII.
  const quoted = description.replaceAll(/[^\x20-\x7e]|["\\]/g, "'");
  return new Refusal(401, 'unauthorized', description, {
    headers: {
      'www-authenticate': `Bearer realm="${REALM}", error="${error}", error_description="${quoted}"`,
    },
    cause,
  });
}

/** A valid token whose bearer may not do what it asks for. */
export function forbidden(message: string): Refusal {
  return new Refusal(403, 'forbidden', message, {
    headers: { 'www-authenticate': `Bearer realm="${REALM}", error="insufficient_scope"` },
  });
}

function verificationKeyOf({ secret, key }: IngestAuth): VerificationKey {
  if ((secret === undefined) === (key === undefined)) {
    throw new WalError('WAL_CONFIG', 'expected auth to have either secret or key');
  }
  if (key === undefined) {
    return { key: new TextEncoder().encode(checkSecret('auth.secret', secret)), algorithms: ['HS256'] };
  }
  const publicKey = parsePublicKey(checkText('auth.key', key));
  return { key: publicKey, algorithms: algorithmsFor(publicKey) };
}

function parsePublicKey(text: string): KeyObject {
  try {
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
      `expected auth.key to be a public key as PEM (SPKI) or JWK: ${messageOf(cause)}`,
      { cause },
    );
  }
}

function algorithmsFor(key: KeyObject): string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  // RFC 9864 gave EdDSA with Ed25519 a name of its own: one algorithm, two names.
  if (type === 'ed25519') return ['EdDSA', 'Ed25519'];
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return ['ES256'];
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= RSA_BITS_MIN) return ['RS256'];
  throw expected('auth.key', `an Ed25519, P-256 or RSA key (RSA from ${RSA_BITS_MIN} bits)`, type);
}

function checkText(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw expected(option, 'a text that is not empty', value);
}
