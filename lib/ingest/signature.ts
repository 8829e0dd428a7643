// Whether a request is what its sender signed: Content-Digest (RFC 9530) and HTTP message signatures (RFC 9421)
// in one profile, hmac-sha256 or ed25519. Signing is the sender's. The body is checked once it has been read.

import { createHash, verify } from 'node:crypto';
import { createVerifier, httpbis } from 'http-message-signatures';
import type { SignatureParameters, VerifyingKey } from 'http-message-signatures';
import type { Clock } from '../clock.js';
import { checkInteger, checkSecret, expected } from '../config.js';
import { WalError, messageOf } from '../errors.js';
import { parsePublicKey } from './keys.js';
import { Refusal } from './refusal.js';

/** Which signatures are accepted. */
export interface IngestSigning {
  /**
   * Keys by key id: a secret of at least 32 bytes for hmac-sha256, or the public key of an Ed25519 pair, PEM (SPKI)
   * or JWK. Several, so that a key can be changed: add the new one here, then let the senders use it, then take
   * the old one away.
   */
  keys: Record<string, string | { publicKey: string }>;
  /** How old a signature may be, and how far ahead of this clock, in ms. Integer, 0 to 3,600,000. @default 300_000 */
  toleranceMs?: number;
}

/**
 * Verifies the signature over the headers, before the body is read.
 *
 * @returns What checks the body as sent against the digest that was signed; it throws a 401, too.
 * @throws {Refusal} 401 where no signature is valid.
 */
export type VerifySignature = (request: Request) => Promise<(body: Buffer) => void>;

/** What a signature must cover: anything less would leave a part that could be exchanged. */
const COVERED = ['@method', '@path', 'content-digest', 'idempotency-key'];
const TOLERANCE_MS = 300_000;
const SHA256_PATTERN = /(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?:,|$)/;

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function signatureVerification(options: IngestSigning, clock: Clock): VerifySignature {
  const keys = checkKeys(options.keys);
  const toleranceMs = checkInteger('signing.toleranceMs', options.toleranceMs ?? TOLERANCE_MS, 0, 3_600_000);
  const keyLookup = async (params: SignatureParameters) => {
    const key = keys.get(params.keyid ?? '');
    // Another's signature, a proxy's say, is no concern here, whatever its times.
    if (!key) return null;
    checkTimes(params, clock.now(), toleranceMs);
    return key;
  };
  return async (request) => {
    const { method, url } = request;
    const headers = Object.fromEntries(request.headers);
    let valid: boolean | null;
    try {
      valid = await httpbis.verifyMessage(
        {
          keyLookup,
          componentParser: refuseParameters,
          requiredFields: COVERED,
          requiredParams: ['created', 'keyid'],
          notAfter: Number.POSITIVE_INFINITY,
        },
        { method, url, headers },
      );
    } catch (cause) {
      throw badSignature(messageOf(cause), cause);
    }
    if (valid === null) throw badSignature('there is none, or none with a known keyid');
    if (!valid) throw badSignature('it does not fit the request');
    const digest = digestOf(headers['content-digest'] ?? '');
    return (body) => {
      if (!createHash('sha256').update(body).digest().equals(digest)) {
        throw badSignature('the body is not what content-digest says');
      }
    };
  };
}

// http-message-signatures does the canonical form and compares in constant time, and it demands what is in
// COVERED. Three things it leaves open are closed by the hooks that it has: it reads the system's clock and
// takes a `created` that is no number for one of any age (checkTimes); and a component counts as covered also
// where parameters make something else of it, `"content-digest";key="sha-512"` say (refuseParameters).

function checkTimes(params: SignatureParameters, nowMs: number, toleranceMs: number): void {
  const created = params.created?.getTime();
  if (!Number.isSafeInteger(created)) throw new Error('created is not a time');
  if (Math.abs(nowMs - created!) > toleranceMs) {
    throw new Error(`created is more than ${toleranceMs / 1000} s from the time here`);
  }
  const expires: unknown = params.expires;
  if (expires === undefined) return;
  const expiresMs = expires instanceof Date ? expires.getTime() : Number(expires) * 1000;
  if (!(nowMs <= expiresMs + toleranceMs)) throw new Error('it has expired');
}

function refuseParameters(name: string, params: Map<string, unknown>): null {
  if (params.size > 0) throw new Error(`parameters of the component "${name}" are not supported`);
  return null;
}

function digestOf(header: string): Buffer {
  const digest = SHA256_PATTERN.exec(header)?.[1];
  if (digest === undefined) throw badSignature('content-digest has no sha-256');
  return Buffer.from(digest, 'base64');
}

function checkKeys(given: unknown): Map<string, VerifyingKey> {
  if (typeof given !== 'object' || given === null || Object.keys(given).length === 0) {
    throw expected('signing.keys', 'an object of keys by key id', typeof given);
  }
  return new Map(
    Object.entries(given).map(([id, value]: [string, unknown]) => [id, verifyingKey(id, value)]),
  );
}

/** The key says which algorithm it verifies, never the request: a public key is no secret to make an HMAC with. */
function verifyingKey(id: string, value: unknown): VerifyingKey {
  const option = `signing.keys['${id}']`;
  if (typeof value !== 'object' || value === null) {
    const secret = checkSecret(option, value);
    return { id, algs: ['hmac-sha256'], verify: createVerifier(secret, 'hmac-sha256') };
  }
  const { publicKey, ...unknown } = value as Record<string, unknown>;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) throw new WalError('WAL_CONFIG', `${option} has no option '${stray}'`);
  const key = parsePublicKey(`${option}.publicKey`, publicKey);
  if (key.asymmetricKeyType !== 'ed25519') {
    throw expected(`${option}.publicKey`, 'an Ed25519 key', key.asymmetricKeyType);
  }
  return { id, algs: ['ed25519'], verify: async (data, signature) => verify(null, data, key, signature) };
}

function badSignature(why: string, cause?: unknown): Refusal {
  return new Refusal(401, 'bad_signature', `the request's signature is not valid: ${why}`, {
    headers: { 'www-authenticate': 'Signature realm="nv-wal"' },
    cause,
  });
}
