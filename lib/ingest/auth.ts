// Who is calling, and for whom: verifies the S2S JWT of a request. Tokens are jose's; which of them count, and whose
// records their bearers may write, is decided here.

import { errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import type { Clock } from '../clock.js';
import { checkInteger, expected } from '../config.js';
import { verificationKeyOf } from './keys.js';
import type { KeySource } from './keys.js';
import { Refusal } from './refusal.js';

/** Which tokens are accepted: those of one issuer for one audience, signed with its secret or one of its keys. */
export interface IngestAuth extends KeySource {
  /** The token's `iss`. */
  issuer: string;
  /** The token's `aud`, or one of them. */
  audience: string;
  /** The services that may call: a valid token of any other is a 403. @default every service with a valid token */
  callers?: readonly string[];
  /**
   * Whose records, and reports on logs, a caller may write and see besides its own: names of services, or '*' for
   * all. By caller: `{ relay: '*', gateway: ['gateway-admin'] }`. A record that names another service is rejected;
   * one that names none is its caller's. @default {}
   */
  onBehalfOf?: Readonly<Record<string, readonly string[] | '*'>>;
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
  /** Whether records of a service are this caller's to write. */
  mayWriteFor: (service: unknown) => boolean;
}

/**
 * @throws {Refusal} 401, with `www-authenticate` saying why; 403 where the caller is not one of `callers`.
 * @throws {WalError} `WAL_IO`: the keys can't be had.
 */
export type Authenticate = (request: Request) => Promise<Caller>;

const REALM = 'nv-wal';
const CLOCK_TOLERANCE_MS = 60_000;
const TOKEN_AGE_MAX_MS = 3_600_000;
/** RFC 6750: `Bearer`, in any case, one space or more, and one token. */
const BEARER_PATTERN = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function tokenAuthentication(options: IngestAuth, clock: Clock): Authenticate {
  const { keyOf, algorithms } = verificationKeyOf(options);
  const callers = checkNames('auth.callers', options.callers);
  const onBehalfOf = checkOnBehalfOf(options.onBehalfOf ?? {});
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
    let service: string;
    let claims: JWTPayload;
    try {
      const { payload } = await jwtVerify(token, keyOf, {
        ...claimRules,
        currentDate: new Date(clock.now()),
      });
      claims = payload;
      service = serviceOf(payload);
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause;
      throw unauthorized('invalid_token', cause.message, cause);
    }
    if (callers && !callers.includes(service)) throw forbidden(`${service} may not call this receiver`);
    const others = onBehalfOf.get(service) ?? [];
    const mayWriteFor = (name: unknown) => name === service || others === '*' || others.includes(name);
    return { service, claims, mayWriteFor };
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

function serviceOf({ sub }: JWTPayload): string {
  if (typeof sub === 'string' && sub !== '') return sub;
  throw unauthorized('invalid_token', 'sub is not a name');
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

function checkNames(option: string, given: unknown): readonly unknown[] | undefined {
  if (given === undefined) return undefined;
  if (!Array.isArray(given) || !given.every((name) => typeof name === 'string' && name !== '')) {
    throw expected(option, 'a list of names of services', given);
  }
  return given as unknown[];
}

function checkOnBehalfOf(given: unknown): Map<string, readonly unknown[] | '*'> {
  if (typeof given !== 'object' || given === null) {
    throw expected('auth.onBehalfOf', 'an object of names by caller', typeof given);
  }
  return new Map(
    Object.entries(given).map(([caller, names]: [string, unknown]) => [
      caller,
      names === '*' ? names : (checkNames(`auth.onBehalfOf['${caller}']`, names) ?? []),
    ]),
  );
}

function checkText(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw expected(option, 'a text that is not empty', value);
}
