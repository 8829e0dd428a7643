// Signs requests: Content-Digest (RFC 9530) over the bytes sent, and an HTTP message signature (RFC 9421) that
// ties that digest to method, path and idempotency key. One profile, hmac-sha256; verifying is the receiver's.

import { createHash } from 'node:crypto';
import { createSigner, httpbis } from 'http-message-signatures';
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

/** @throws {WalError} `WAL_CONFIG`: the secret is shorter than 32 bytes, or the key id can't be sent. */
export function requestSigner(
  signingKey: NonNullable<HttpSinkOptions['signingKey']>,
  clock: Clock,
): RequestSigner {
  const { keyId, secret } = checkSigningKey(signingKey);
  const key = createSigner(secret, 'hmac-sha256', keyId);
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

function checkSigningKey(given: unknown): { keyId: string; secret: string } {
  if (typeof given === 'string') return { keyId: 'default', secret: checkSecret('signingKey', given) };
  if (typeof given !== 'object' || given === null) {
    throw expected('signingKey', 'a secret or { keyId, secret }', typeof given);
  }
  const { keyId, secret, ...unknown } = given as Record<string, unknown>;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) throw new WalError('WAL_CONFIG', `signingKey has no option '${stray}'`);
  if (typeof keyId !== 'string' || !KEY_ID_PATTERN.test(keyId)) {
    throw expected('signingKey.keyId', '1 to 256 printable ASCII characters', keyId);
  }
  return { keyId, secret: checkSecret('signingKey.secret', secret) };
}

function added(headers: Record<string, string | string[]>, name: string): string {
  const value = headers[name];
  if (typeof value !== 'string') throw new TypeError(`expected the signer to add ${name} once`);
  return value;
}
