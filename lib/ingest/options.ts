// The receiver's options: types, defaults, and the checks at the door. Keys and tokens are checked by the files
// that use them.

import type { Clock } from '../clock.js';
import { systemClock } from '../clock.js';
import { checkInteger, expected } from '../config.js';
import { WalError } from '../errors.js';
import type { Caller, IngestAuth } from './auth.js';
import type { BodyLimits } from './body.js';
import type { LineLimits } from './lines.js';
import type { IngestSigning } from './signature.js';
import type { IngestStore } from './store.js';

export interface IngestOptions {
  /** Where what arrives is kept. The handler never closes it. */
  store: IngestStore;
  /** Whose tokens are accepted; `false` takes requests from anyone who can reach this. */
  auth: IngestAuth | false;
  /** May refuse the bearer of a valid token: `false` is a 403. @default everyone may */
  authorize?: (caller: Caller, request: IngestRequest) => boolean | Promise<boolean>;
  /** Demands that requests are signed, with one of these keys. @default signatures are not looked at */
  signing?: IngestSigning;
  limits?: Partial<IngestLimits>;
  /** What stands before `/api/{kind}/v1/ingest`: `/telemetry`, say. @default '' */
  basePath?: string;
  /** Called with whatever made an answer of 5xx, but for `overloaded`. Must not throw. @default ignored */
  onError?: (error: unknown) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

export interface IngestLimits extends BodyLimits, LineLimits {
  /** Bytes of a body as sent. Integer >= 1. @default 8_388_608 */
  bodyBytesMax: number;
  /** How long a body may take to arrive, in ms. Integer >= 1. @default 60_000 */
  bodyMsMax: number;
  /** Bytes of a body once inflated. Integer >= 1. @default 16_777_216 */
  inflatedBytesMax: number;
  /** Bytes of one line: a record of 1 MiB and what is around it. Integer >= 1. @default 1_310_720 */
  lineBytesMax: number;
  /** Lines of one body. Integer >= 1. @default 10_000 */
  linesMax: number;
  /** Bytes of bodies that all requests together hold, as sent and inflated; beyond it 503. Integer >= 1. @default 268_435_456 */
  pendingBytesMax: number;
}

/** What a request is about, as its path and headers say. */
export interface IngestRequest {
  kind: string;
  logId: string | undefined;
  instance: string | undefined;
}

/** Options with every default filled in. */
export interface IngestConfig {
  readonly store: IngestStore;
  readonly auth: IngestAuth | false;
  readonly authorize: IngestOptions['authorize'];
  readonly signing: IngestSigning | undefined;
  readonly limits: IngestLimits;
  readonly basePath: string;
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
}

const LIMITS: IngestLimits = {
  bodyBytesMax: 8_388_608,
  bodyMsMax: 60_000,
  inflatedBytesMax: 16_777_216,
  lineBytesMax: 1_310_720,
  linesMax: 10_000,
  pendingBytesMax: 268_435_456,
};
const OPTION_NAMES: readonly (keyof IngestOptions)[] = [
  'store',
  'auth',
  'authorize',
  'signing',
  'limits',
  'basePath',
  'onError',
  'clock',
];
const BASE_PATH_PATTERN = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function checkOptions(options: IngestOptions): IngestConfig {
  checkNames('options', options, OPTION_NAMES);
  const { store, auth, authorize, signing, basePath = '', onError = () => {}, clock = systemClock } = options;
  if (!isStore(store)) throw expected('store', 'an IngestStore', typeof store);
  if (!isAuth(auth)) throw expected('auth', 'an object or false', typeof auth);
  if (typeof basePath !== 'string' || !BASE_PATH_PATTERN.test(basePath)) {
    throw expected('basePath', `a path without a slash at its end, '/telemetry' say`, basePath);
  }
  return {
    store,
    auth,
    authorize,
    signing,
    limits: checkLimits(options.limits ?? {}),
    basePath,
    onError,
    clock,
  };
}

function isStore(value: unknown): value is IngestStore {
  return typeof value === 'object' && value !== null && 'store' in value;
}

/** Leaving `auth` out must not open the door: that there are no tokens is something to say. */
function isAuth(value: unknown): value is IngestOptions['auth'] {
  return value === false || (typeof value === 'object' && value !== null);
}

function checkLimits(given: Partial<IngestLimits>): IngestLimits {
  checkNames('limits', given, Object.keys(LIMITS));
  const limits = { ...LIMITS };
  for (const name of Object.keys(LIMITS) as (keyof IngestLimits)[]) {
    limits[name] = checkInteger(`limits.${name}`, given[name] ?? LIMITS[name], 1);
  }
  return limits;
}

/** A misspelt option must not silently mean its default: `signed` for `signing` would take anything. */
function checkNames(what: string, given: object, known: readonly string[]): void {
  const stray = Object.keys(given).find((name) => !known.includes(name));
  if (stray === undefined) return;
  throw new WalError('WAL_CONFIG', `${what} has no '${stray}'; known are ${known.join(', ')}`);
}
