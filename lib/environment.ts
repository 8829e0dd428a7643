// Options from environment variables. A missing or malformed one is named; nothing falls back silently.

import { readFileSync } from 'node:fs';
import type { HttpSinkOptions, S2sTokenOptions, WalOptions } from './config.js';
import { DEFAULTS, checkBaseUrl, checkInteger, checkName, checkSecret, expected } from './config.js';
import { WalError, messageOf } from './errors.js';

const HOUR_MS = 3_600_000;

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
