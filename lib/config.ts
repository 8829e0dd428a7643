// Options: their types, defaults and environment. Everything is checked here, once, at the door;
// the rest of the library trusts a `WalConfig`.

import { readFileSync } from 'node:fs';
import { WalError, messageOf } from './errors.js';
import type { Clock } from './clock.js';
import { systemClock } from './clock.js';
import type { WalEvent } from './events.js';
import { KIND_PATTERN, RECORD_BYTES_MAX } from './records.js';

export interface WalOptions {
  /** The service whose log this is; part of its path. `[a-z0-9][a-z0-9._-]{0,63}` */
  service: string;
  /** Which of the service's processes; part of the log's path. Same form as `service`. @default 'main' */
  instance?: string;
  /** An existing, writable folder on a local disk; the log is `<varDir>/nv-wal/<service>/<instance>`. @default env VAR_DIR */
  varDir?: string;
  /** Policies of kinds, over the defaults. `log` and `audit` are always there; any other kind must say `whenFull`. */
  streams?: Record<string, Partial<StreamPolicy>>;
  /** Bytes that this instance's log may hold. Integer >= 1 MiB. @default 268_435_456, env WAL_MAX_BYTES */
  maxBytes?: number;
  /** How long a record of a `drop-oldest` stream is kept, in ms. Integer >= 1000. @default 86_400_000, env WAL_MAX_AGE_H (hours) */
  maxAgeMs?: number;
  /** Records that a shipper puts into one request at most. Integer, 1 to 100,000. @default 2000, env WAL_BATCH_MAX */
  batchMax?: number;
  /** Where `httpSink` should deliver, as `walOptionsFromEnv` read it. The log itself does not use it. */
  sink?: HttpSinkOptions;
  /** Called with what operators should know. Must not throw; what it throws is ignored. */
  onEvent?: (event: WalEvent) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

export interface StreamPolicy {
  /**
   * What happens when the log is full: `drop-oldest` gives its oldest records up, `reject` refuses new ones.
   * @default log: 'drop-oldest', audit: 'reject'; other kinds must say
   */
  whenFull: 'drop-oldest' | 'reject';
  /** How long an append may wait for company before its commit starts, in ms; saves fsyncs. Integer, 0 to 60,000. @default 0 */
  commitDelayMs: number;
  /** The cursors that must pass a record before it goes. At least one name, each as a kind's. @default ['default'] */
  shippers: string[];
  /** Bytes of delivered records that are kept for replay. Integer >= 0. @default 0 */
  keepDeliveredBytes: number;
  /** Bytes of JSON that one record may have. Integer, 1 to 1,048,576. @default 1_048_576 */
  maxRecordBytes: number;
}

export interface HttpSinkOptions {
  /** Records go to `<baseUrl>/api/<kind>/v1/ingest`. http or https, no query. */
  baseUrl: string;
  /** How to get the S2S JWT: what to sign it with, or a function that brings one. Without it, no `authorization` is sent. */
  token?: S2sTokenOptions | TokenProvider;
  /** Signs each request (RFC 9421) when given: a shared secret of at least 32 bytes (hmac-sha256), with the `keyid` to send. */
  signingKey?: string | { keyId: string; secret: string };
  /** Whether bodies go gzipped. @default true */
  gzip?: boolean;
  /** How long one request may take until its answer is there, in ms. Integer >= 1. @default 30_000 */
  timeoutMs?: number;
  /** Connections per origin. Integer, 1 to 64. @default 4 */
  connections?: number;
  /** Whether this destination takes notices. @default true */
  notices?: boolean;
  /** Take any 2xx for a receipt of the whole batch, also one without a body. @default false */
  acceptEmpty?: boolean;
}

export interface S2sTokenOptions {
  issuer: string;
  audience: string;
  /** HS256 with this secret, at least 32 bytes. Either this or `key`. */
  secret?: string;
  /** A private key as PEM (PKCS #8) or JWK (JSON text); EdDSA, ES256 or RS256 by its type. */
  key?: string;
  /** The key's id, put into the token's header. */
  keyId?: string;
}

/** Brings the bearer token for a service. `refresh` is set when the last one was refused. */
export type TokenProvider = (request: {
  service: string;
  refresh: boolean;
  signal: AbortSignal;
}) => string | Promise<string>;

/** Validated options with every default filled in. */
export interface WalConfig {
  readonly service: string;
  readonly instance: string;
  readonly varDir: string;
  readonly streams: ReadonlyMap<string, Readonly<StreamPolicy>>;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly batchMax: number;
  readonly onEvent: (event: WalEvent) => void;
  readonly clock: Clock;
}

export const DEFAULTS = {
  instance: 'main',
  maxBytes: 268_435_456,
  maxAgeMs: 86_400_000,
  batchMax: 2000,
  stream: {
    commitDelayMs: 0,
    shippers: ['default'],
    keepDeliveredBytes: 0,
    maxRecordBytes: RECORD_BYTES_MAX,
  },
} as const;

const ALWAYS: Record<string, Pick<StreamPolicy, 'whenFull'>> = {
  log: { whenFull: 'drop-oldest' },
  audit: { whenFull: 'reject' },
};

const NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const HOUR_MS = 3_600_000;

/**
 * Checks options and fills in defaults.
 *
 * @throws {WalError} `WAL_CONFIG` naming the option, its value and what is expected.
 */
export function resolveConfig(options: WalOptions, env: NodeJS.ProcessEnv = process.env): WalConfig {
  if (typeof options !== 'object' || options === null) throw expected('options', 'an object', options);
  checkKnown('options', options, OPTION_NAMES);
  const varDir = options.varDir ?? env['VAR_DIR'];
  if (varDir === undefined || varDir === '') {
    throw new WalError('WAL_CONFIG', 'varDir is missing: pass varDir or set VAR_DIR to an existing folder');
  }
  if (typeof varDir !== 'string') throw expected('varDir', 'a path', varDir);
  const config: WalConfig = {
    service: checkName('service', options.service),
    instance: checkName('instance', options.instance ?? DEFAULTS.instance),
    varDir,
    streams: resolveStreams(options.streams ?? {}),
    maxBytes: checkInteger('maxBytes', options.maxBytes ?? DEFAULTS.maxBytes, 1_048_576),
    maxAgeMs: checkInteger('maxAgeMs', options.maxAgeMs ?? DEFAULTS.maxAgeMs, 1000),
    batchMax: checkInteger('batchMax', options.batchMax ?? DEFAULTS.batchMax, 1, 100_000),
    onEvent: options.onEvent ?? (() => {}),
    clock: options.clock ?? systemClock,
  };
  if (typeof config.onEvent !== 'function') throw expected('onEvent', 'a function', options.onEvent);
  return Object.freeze(config);
}

function resolveStreams(given: Record<string, Partial<StreamPolicy>>): WalConfig['streams'] {
  if (typeof given !== 'object' || given === null) throw expected('streams', 'an object', given);
  const streams = new Map<string, Readonly<StreamPolicy>>();
  for (const kind of new Set([...Object.keys(ALWAYS), ...Object.keys(given)])) {
    if (!KIND_PATTERN.test(kind))
      throw expected(`streams['${kind}']`, `a kind (${KIND_PATTERN.source})`, kind);
    const policy = { ...DEFAULTS.stream, ...ALWAYS[kind], ...given[kind] };
    checkKnown(`streams.${kind}`, policy, POLICY_NAMES);
    const { whenFull, shippers } = policy;
    if (whenFull !== 'drop-oldest' && whenFull !== 'reject') {
      throw expected(`streams.${kind}.whenFull`, `'drop-oldest' or 'reject'`, whenFull);
    }
    if (!Array.isArray(shippers) || shippers.length === 0 || new Set(shippers).size !== shippers.length) {
      throw expected(`streams.${kind}.shippers`, 'at least one name, each once', shippers);
    }
    for (const name of shippers) {
      if (typeof name !== 'string' || !KIND_PATTERN.test(name)) {
        throw expected(`streams.${kind}.shippers`, `names (${KIND_PATTERN.source})`, name);
      }
    }
    const at = (name: string) => `streams.${kind}.${name}`;
    streams.set(
      kind,
      Object.freeze({
        whenFull,
        shippers: [...shippers],
        commitDelayMs: checkInteger(at('commitDelayMs'), policy.commitDelayMs, 0, 60_000),
        keepDeliveredBytes: checkInteger(at('keepDeliveredBytes'), policy.keepDeliveredBytes, 0),
        maxRecordBytes: checkInteger(at('maxRecordBytes'), policy.maxRecordBytes, 1, RECORD_BYTES_MAX),
      }),
    );
  }
  return streams;
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof WalOptions>([
  'service',
  'instance',
  'varDir',
  'streams',
  'maxBytes',
  'maxAgeMs',
  'batchMax',
  'sink',
  'onEvent',
  'clock',
]);
const POLICY_NAMES: ReadonlySet<string> = new Set<keyof StreamPolicy>([
  'whenFull',
  'commitDelayMs',
  'shippers',
  'keepDeliveredBytes',
  'maxRecordBytes',
]);

/** A misspelt option must not silently mean its default. */
function checkKnown(what: string, given: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(given)) {
    if (!known.has(name)) {
      throw new WalError('WAL_CONFIG', `${what} has no '${name}'; known are ${[...known].join(', ')}`);
    }
  }
}

function checkName(option: string, value: unknown): string {
  if (typeof value !== 'string' || !NAME_PATTERN.test(value)) {
    throw expected(option, `a name (${NAME_PATTERN.source})`, value);
  }
  return value;
}

export function checkInteger(
  option: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`;
  throw expected(option, `an integer ${range}`, value);
}

export function expected(option: string, what: string, got: unknown): WalError {
  return new WalError('WAL_CONFIG', `expected ${option} to be ${what}, got ${show(got)}`);
}

function show(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 100);
  } catch {
    return typeof value;
  }
}

/**
 * The options of a service's log, and of the sink it ships to, from the environment.
 *
 * | variable | option | default |
 * | --- | --- | --- |
 * | `VAR_DIR` | `varDir` | none, required |
 * | `WAL_BATCH_MAX` | `batchMax` | 2000 |
 * | `WAL_MAX_BYTES` | `maxBytes` | 268435456 |
 * | `WAL_MAX_AGE_H` | `maxAgeMs`, in hours | 24 |
 * | `WAL_BASE_URL` | `sink.baseUrl` | none: no sink |
 * | `WAL_GZIP` | `sink.gzip`: `true` or `false` | true |
 * | `WAL_S2S_ISSUER`, `WAL_S2S_AUDIENCE` | `sink.token` | none, required with `WAL_BASE_URL` |
 * | `WAL_S2S_SECRET` or `WAL_S2S_KEY_FILE` | `sink.token.secret`, or `.key` with the file's text | none, one is required with `WAL_BASE_URL` |
 * | `WAL_SIGNING_SECRET` | `sink.signingKey` | none: not signed |
 *
 * @throws {WalError} `WAL_CONFIG` naming the variable that is missing, malformed or without its companion.
 */
export function walOptionsFromEnv(service: string, env: NodeJS.ProcessEnv = process.env): WalOptions {
  const sink = sinkFromEnv(env);
  return {
    service: checkName('service', service),
    varDir: required(env, 'VAR_DIR'),
    batchMax: integerFrom(env, 'WAL_BATCH_MAX', DEFAULTS.batchMax, 1, 100_000),
    maxBytes: integerFrom(env, 'WAL_MAX_BYTES', DEFAULTS.maxBytes, 1_048_576),
    maxAgeMs: hoursFrom(env, 'WAL_MAX_AGE_H', DEFAULTS.maxAgeMs),
    ...(sink && { sink }),
  };
}

const SINK_VARIABLES = [
  'WAL_GZIP',
  'WAL_S2S_ISSUER',
  'WAL_S2S_AUDIENCE',
  'WAL_S2S_SECRET',
  'WAL_S2S_KEY_FILE',
  'WAL_SIGNING_SECRET',
];

function sinkFromEnv(env: NodeJS.ProcessEnv): HttpSinkOptions | undefined {
  if (env['WAL_BASE_URL'] === undefined) {
    // Half a sink is a mistake, not a wish for none.
    const stray = SINK_VARIABLES.find((name) => env[name] !== undefined);
    if (stray) throw new WalError('WAL_CONFIG', `${stray} is set, but WAL_BASE_URL is missing`);
    return undefined;
  }
  const baseUrl = required(env, 'WAL_BASE_URL');
  checkBaseUrl('WAL_BASE_URL', baseUrl);
  const gzip = env['WAL_GZIP'] ?? 'true';
  if (gzip !== 'true' && gzip !== 'false') throw expected('WAL_GZIP', `'true' or 'false'`, gzip);
  const signingKey = env['WAL_SIGNING_SECRET'];
  if (signingKey !== undefined) checkSecret('WAL_SIGNING_SECRET', signingKey);
  return {
    baseUrl,
    gzip: gzip === 'true',
    token: s2sTokenFromEnv(env),
    ...(signingKey !== undefined && { signingKey }),
  };
}

/** `WAL_S2S_ISSUER`, `WAL_S2S_AUDIENCE` and one of `WAL_S2S_SECRET` and `WAL_S2S_KEY_FILE`; all are required. */
export function s2sTokenFromEnv(env: NodeJS.ProcessEnv): S2sTokenOptions {
  const issuer = required(env, 'WAL_S2S_ISSUER');
  const audience = required(env, 'WAL_S2S_AUDIENCE');
  const { WAL_S2S_SECRET: secret, WAL_S2S_KEY_FILE: keyFile } = env;
  if (secret !== undefined && keyFile !== undefined) {
    throw new WalError('WAL_CONFIG', 'WAL_S2S_SECRET and WAL_S2S_KEY_FILE are both set; set one');
  }
  if (keyFile !== undefined) {
    try {
      return { issuer, audience, key: readFileSync(keyFile, 'utf8') };
    } catch (cause) {
      throw new WalError('WAL_CONFIG', `can't read WAL_S2S_KEY_FILE: ${messageOf(cause)}`, { cause });
    }
  }
  if (secret === undefined) {
    throw new WalError('WAL_CONFIG', 'WAL_S2S_SECRET is missing (or WAL_S2S_KEY_FILE)');
  }
  checkSecret('WAL_S2S_SECRET', secret);
  return { issuer, audience, secret };
}

/** RFC 7518 asks of an HS256 key as many bits as the hash has. The message never shows the secret. */
export function checkSecret(option: string, value: unknown): string {
  if (typeof value === 'string' && Buffer.byteLength(value) >= 32) return value;
  const got = typeof value === 'string' ? `${Buffer.byteLength(value)} bytes` : typeof value;
  throw new WalError('WAL_CONFIG', `expected ${option} to be a secret of at least 32 bytes, got ${got}`);
}

export function checkBaseUrl(option: string, value: unknown): URL {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash || url.username) {
    throw expected(option, 'an http(s) URL without query, fragment or user', value);
  }
  return url;
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw new WalError('WAL_CONFIG', `${name} is missing`);
  return value;
}

function integerFrom(
  env: NodeJS.ProcessEnv,
  name: string,
  fallback: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const text = env[name];
  if (text === undefined) return fallback;
  return checkInteger(name, /^\d+$/.test(text) ? Number(text) : text, min, max);
}

function hoursFrom(env: NodeJS.ProcessEnv, name: string, fallbackMs: number): number {
  const text = env[name];
  if (text === undefined) return fallbackMs;
  const hours = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  const ms = Math.round(hours * HOUR_MS);
  if (!Number.isSafeInteger(ms) || ms < 1000) throw expected(name, 'hours, at least one second', text);
  return ms;
}
