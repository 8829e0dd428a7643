// Options: their types and defaults. Everything is checked here, once, at the door;
// the rest of the library trusts a `WalConfig`.

import { resolve } from 'node:path';
import type { AlertOptions, AlertThresholds } from './alert-options.js';
import { resolveAlerts } from './alert-options.js';
import { checkInteger, checkKnown, expected } from './checks.js';
import { WalError } from './errors.js';
import type { Clock } from './clock.js';
import { systemClock } from './clock.js';
import type { WalEvent } from './events.js';
import { KIND_PATTERN, RECORD_BYTES_MAX } from './records.js';
import type { ShapingOptions, StreamShaping } from './shaping.js';
import { shapingOf } from './shaping.js';

export { checkInteger, expected } from './checks.js';

export interface WalOptions {
  /** The service whose log this is; part of its path. `[a-z0-9][a-z0-9._-]{0,63}` */
  service: string;
  /**
   * Which of the service's processes; part of the log's path. Same form as `service`. `auto`: `worker-<n>`, the n
   * of env NODE_APP_INSTANCE (pm2) where that is set and free, else the first from 0 on that is free. @default 'main'
   */
  instance?: string;
  /**
   * Whether logs that dead instances of this service left below `varDir` are delivered from here, to the same
   * sinks, and removed when nothing is left in them. Logs of a living instance, and of other services, are never
   * touched. @default true
   */
  adopt?: boolean;
  /** An existing, writable folder on a local disk; the log is `<varDir>/nv-wal/<service>/<instance>`. @default env VAR_DIR */
  varDir?: string;
  /** Policies of kinds, over the defaults. `log` and `audit` are always there; any other kind must say `whenFull`. */
  streams?: Record<string, Partial<StreamPolicy>>;
  /** Bytes that this instance's log may hold. Integer >= 1 MiB. @default 268_435_456, env WAL_MAX_BYTES */
  maxBytes?: number;
  /** How long a record of a `drop-oldest` stream is kept, in ms. Integer >= 1000. @default 86_400_000, env WAL_MAX_AGE_H (hours) */
  maxAgeMs?: number;
  /**
   * Bytes of disk held back, to be given up when the disk is full. Integer >= 0; 0: none, and a full disk heals
   * only when someone else makes room. @default 25_165_824
   */
  reserveBytes?: number;
  /** Records that a shipper puts into one request at most. Integer, 1 to 100,000. @default 2000, env WAL_BATCH_MAX */
  batchMax?: number;
  /** Where `httpSink` should deliver, as `walOptionsFromEnv` read it. The log itself does not use it. */
  sink?: HttpSinkOptions;
  /** From when on the log warns, by `alert` events and in its health; `false`: never. @default see AlertOptions */
  alerts?: AlertOptions | false;
  /** Called with what operators should know. Must not throw; what it throws is ignored. */
  onEvent?: (event: WalEvent) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

export interface StreamPolicy extends ShapingOptions {
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
  /** Bytes that this stream may hold, within the log's. Integer >= 65,536. @default none of its own */
  maxBytes?: number;
  /** How long a record of a `drop-oldest` stream is kept, in ms. Integer >= 1000. @default the log's `maxAgeMs` */
  maxAgeMs?: number;
  /** Bytes of JSON that one record may have. Integer, 1 to 1,048,576. @default 1_048_576 */
  maxRecordBytes: number;
}

/** A stream's policy, checked, with every default filled in. */
export interface StreamConfig extends Omit<StreamPolicy, keyof ShapingOptions> {
  /** What is made of its records before anything keeps them; absent where nothing is. */
  readonly shaping?: StreamShaping | undefined;
}

export interface HttpSinkOptions {
  /** Records go to `<baseUrl>/api/<kind>/v1/ingest`. http or https, no query. */
  baseUrl: string;
  /** How to get the S2S JWT: what to sign it with, or a function that brings one. Without it, no `authorization` is sent. */
  token?: S2sTokenOptions | TokenProvider;
  /**
   * Signs each request (RFC 9421) when given, with the `keyid` to send: a shared secret of at least 32 bytes
   * (hmac-sha256), or an Ed25519 private key as PEM (PKCS #8) or JWK. A secret alone goes as `default`.
   */
  signingKey?: string | { keyId: string; secret: string } | { keyId: string; key: string };
  /** Whether bodies go gzipped. @default true */
  gzip?: boolean;
  /** How long one delivery may take, its token and the repeat after a refused token included, in ms. Integer >= 1. @default 30_000 */
  timeoutMs?: number;
  /** Connections per origin. Integer, 1 to 64. @default 4 */
  connections?: number;
  /** Whether this destination takes notices. @default true */
  notices?: boolean;
  /** Take a 2xx that carries no receipt for one of the whole batch. A receipt that is there must add up all the same. @default false */
  acceptEmpty?: boolean;
}

export interface S2sTokenOptions {
  issuer: string;
  audience: string;
  /** HS256 with this secret, at least 32 bytes. Either this, `key` or `keyFile`. */
  secret?: string;
  /** A private key as PEM (PKCS #8) or JWK (JSON text); EdDSA, ES256 or RS256 by its type. */
  key?: string;
  /** A file that holds what `key` would; read once. */
  keyFile?: string;
  /** The key's id (`kid`), put into the token's header. @default the JWK's own, if it has one */
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
  /** A name, or `auto`. */
  readonly instance: string;
  /** Which name `auto` should try first. */
  readonly preferredInstance: string | undefined;
  readonly adopt: boolean;
  readonly varDir: string;
  readonly streams: ReadonlyMap<string, Readonly<StreamConfig>>;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly reserveBytes: number;
  readonly batchMax: number;
  readonly alerts: AlertThresholds;
  readonly onEvent: (event: WalEvent) => void;
  readonly clock: Clock;
}

/** The `instance` that stands for whichever is free. */
export const AUTO_INSTANCE = 'auto';

export const DEFAULTS = {
  instance: 'main',
  adopt: true,
  maxBytes: 268_435_456,
  maxAgeMs: 86_400_000,
  /** Twice what LevelDB may need to reopen: its write buffer and the largest commit. */
  reserveBytes: 25_165_824,
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
  const maxAgeMs = checkInteger('maxAgeMs', options.maxAgeMs ?? DEFAULTS.maxAgeMs, 1000);
  const maxBytes = checkInteger('maxBytes', options.maxBytes ?? DEFAULTS.maxBytes, 1_048_576);
  const config: WalConfig = {
    service: checkName('service', options.service),
    instance: checkName('instance', options.instance ?? DEFAULTS.instance),
    preferredInstance: options.instance === AUTO_INSTANCE ? workerFromEnv(env) : undefined,
    adopt: options.adopt ?? DEFAULTS.adopt,
    // Absolute from here on: the process may change its working folder, the log must not.
    varDir: resolve(varDir),
    streams: resolveStreams(options.streams ?? {}, maxAgeMs),
    maxBytes,
    maxAgeMs,
    reserveBytes: checkInteger('reserveBytes', options.reserveBytes ?? DEFAULTS.reserveBytes, 0),
    batchMax: checkInteger('batchMax', options.batchMax ?? DEFAULTS.batchMax, 1, 100_000),
    alerts: resolveAlerts(options.alerts ?? {}, maxBytes),
    onEvent: options.onEvent ?? (() => {}),
    clock: options.clock ?? systemClock,
  };
  if (typeof config.adopt !== 'boolean') throw expected('adopt', 'true or false', options.adopt);
  if (typeof config.onEvent !== 'function') throw expected('onEvent', 'a function', options.onEvent);
  return Object.freeze(config);
}

function resolveStreams(
  given: Record<string, Partial<StreamPolicy>>,
  maxAgeMs: number,
): WalConfig['streams'] {
  if (typeof given !== 'object' || given === null) throw expected('streams', 'an object', given);
  const streams = new Map<string, Readonly<StreamConfig>>();
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
    const shaping = shapingOf(kind, policy);
    streams.set(
      kind,
      Object.freeze({
        whenFull,
        shippers: [...shippers],
        commitDelayMs: checkInteger(at('commitDelayMs'), policy.commitDelayMs, 0, 60_000),
        keepDeliveredBytes: checkInteger(at('keepDeliveredBytes'), policy.keepDeliveredBytes, 0),
        maxAgeMs: checkInteger(at('maxAgeMs'), policy.maxAgeMs ?? maxAgeMs, 1000),
        maxRecordBytes: checkInteger(at('maxRecordBytes'), policy.maxRecordBytes, 1, RECORD_BYTES_MAX),
        ...(policy.maxBytes !== undefined && {
          maxBytes: checkInteger(at('maxBytes'), policy.maxBytes, 65_536),
        }),
        ...(shaping && { shaping }),
      }),
    );
  }
  return streams;
}

function workerFromEnv(env: NodeJS.ProcessEnv): string | undefined {
  const number = env['NODE_APP_INSTANCE'];
  if (number === undefined || number === '') return undefined;
  return checkName('NODE_APP_INSTANCE (for instance: auto)', workerName(number));
}

export function workerName(number: number | string): string {
  return `worker-${number}`;
}

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof WalOptions>([
  'service',
  'instance',
  'adopt',
  'varDir',
  'streams',
  'maxBytes',
  'maxAgeMs',
  'reserveBytes',
  'batchMax',
  'sink',
  'alerts',
  'onEvent',
  'clock',
]);
const POLICY_NAMES: ReadonlySet<string> = new Set<keyof StreamPolicy>([
  'whenFull',
  'commitDelayMs',
  'shippers',
  'keepDeliveredBytes',
  'maxBytes',
  'maxAgeMs',
  'maxRecordBytes',
  'schema',
  'pii',
  'redact',
]);

export function isInstanceName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

export function checkName(option: string, value: unknown): string {
  if (typeof value !== 'string' || !NAME_PATTERN.test(value)) {
    throw expected(option, `a name (${NAME_PATTERN.source})`, value);
  }
  return value;
}

/** RFC 7518 asks of an HS256 key as many bits as the hash has. The message never shows the secret. */
export function checkSecret(option: string, value: unknown): string {
  if (typeof value === 'string' && Buffer.byteLength(value) >= 32) return value;
  const got = typeof value === 'string' ? `${Buffer.byteLength(value)} bytes` : typeof value;
  throw new WalError('WAL_CONFIG', `expected ${option} to be a secret of at least 32 bytes, got ${got}`);
}

export function checkBaseUrl(option: string, value: unknown): URL {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const isPlain = url && !url.search && !url.hash && !url.username && !url.password;
  if (!isPlain || !['http:', 'https:'].includes(url.protocol)) {
    // A password or a token in it must not get into a log.
    const shown =
      typeof value === 'string'
        ? value.replace(/\/\/.*@/, '//[user]@').replace(/[?#].+/s, '?[query]')
        : value;
    throw expected(option, 'an http(s) URL without query, fragment or user', shown);
  }
  return url;
}
