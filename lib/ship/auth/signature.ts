// Signs requests: Content-Digest (RFC 9530) over the bytes sent, and an HTTP message signature (RFC 9421) that
// ties that digest to method, path and idempotency key. One profile, hmac-sha256 or ed25519; verifying is the
// receiver's. No key ever gets into a message.

import { createHash, createPrivateKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createSigner, httpbis } from 'http-message-signatures';
import type { SigningKey } from 'http-message-signatures';
import type { Clock } from '../../clock.js';
import { checkSecret, expected } from '../../config.js';
import type { HttpSinkOptions } from '../../config.js';
import { WalError } from '../../errors.js';

export interface SignableRequest {
  method: string;
  url: URL;
  /** The headers that are there already, `idempotency-key` among them. Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** The body as sent, compressed or not. */
  body: Buffer;
}

/** The headers to add to a request: `content-digest`, `signature-input` and `signature`. */
export type RequestSigner = (request: SignableRequest) => Promise<Record<string, string>>;

const LABEL = 'sig1';
const FIELDS = ['@method', '@path', 'content-digest', 'idempotency-key'];
const PARAMS = ['created', 'keyid', 'alg'];

/** What a structured-field string can hold, and what a person can still compare by eye. */
const KEY_ID_PATTERN = /^[\x20-\x7e]{1,256}$/;

/** @throws {WalError} `WAL_CONFIG`: a secret shorter than 32 bytes, no Ed25519 key, or a key id that can't be sent. */
export function requestSigner(
  signingKey: NonNullable<HttpSinkOptions['signingKey']>,
  clock: Clock,
): RequestSigner {
  const key = checkSigningKey(signingKey);
  return async ({ method, url, headers, body }) => {
    const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
    const signed = await httpbis.signMessage(
      { key, name: LABEL, fields: FIELDS, params: PARAMS, paramValues: { created: new Date(clock.now()) } },
      { method, url, headers: { ...headers, 'content-digest': digest } },
    );
    return {
      'content-digest': digest,
      'signature-input': added(signed.headers, 'Signature-Input'),
      signature: added(signed.headers, 'Signature'),
    };
  };
}

function checkSigningKey(given: unknown): SigningKey {
  if (typeof given === 'string') return hmac('default', checkSecret('signingKey', given));
  if (typeof given !== 'object' || given === null) {
    throw expected('signingKey', 'a secret, { keyId, secret } or { keyId, key }', typeof given);
  }
  const { keyId, secret, key, ...unknown } = given as Record<string, unknown>;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) throw new WalError('WAL_CONFIG', `signingKey has no option '${stray}'`);
  if (typeof keyId !== 'string' || !KEY_ID_PATTERN.test(keyId)) {
    throw expected('signingKey.keyId', '1 to 256 printable ASCII characters', keyId);
  }
  if (key === undefined) return hmac(keyId, checkSecret('signingKey.secret', secret));
  if (secret !== undefined) {
    throw new WalError('WAL_CONFIG', 'expected signingKey to have either a secret or a key');
  }
  const privateKey = parseEd25519(key);
  return { id: keyId, alg: 'ed25519', sign: async (data) => sign(null, data, privateKey) };
}

function hmac(keyId: string, secret: string): SigningKey {
  return createSigner(secret, 'hmac-sha256', keyId);
}

function parseEd25519(text: unknown): KeyObject {
  const what = 'an unencrypted Ed25519 private key as PEM (PKCS #8) or JWK';
  if (typeof text !== 'string') throw expected('signingKey.key', what, typeof text);
  let key: KeyObject;
  try {
    key = text.trimStart().startsWith('{')
      ? createPrivateKey({ key: JSON.parse(text) as Record<string, unknown>, format: 'jwk' })
      : createPrivateKey(text);
  } catch {
    // Not the parser's word: it may quote what it could not read, and that is the key.
    throw new WalError('WAL_CONFIG', `expected signingKey.key to be ${what}; the one given can't be read`);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw expected('signingKey.key', what, key.asymmetricKeyType);
}

function added(headers: Record<string, string | string[]>, name: string): string {
  const value = headers[name];
  if (typeof value !== 'string') throw new TypeError(`expected the signer to add ${name} once`);
  return value;
}
