// The options of a PostgreSQL store: types, defaults, and the checks at the door. Knows no `pg`, whose types are not
// there for whoever does without it.

import type { Clock } from '../clock.js';
import { systemClock } from '../clock.js';
import { checkInteger, expected } from '../config.js';
import { WalError } from '../errors.js';

export interface PostgresStoreOptions {
  /** Which schema of the database is the store's; made where it is not there. @default 'nv_wal' */
  schema?: string;
  /** Connections at once; further batches wait for one. Integer, 1 to 1000. @default 10 */
  connectionsMax?: number;
  /** How long a connection may take, to be made or to become free, in ms. Integer >= 1. @default 5_000 */
  connectTimeoutMs?: number;
  /** How long a statement may take, in ms; the server ends it then. Integer >= 1. @default 30_000 */
  statementTimeoutMs?: number;
  /** For tests: another source of time. */
  clock?: Clock;
}

export interface PoolLimits {
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** Options with every default filled in. */
export interface PostgresConfig extends PoolLimits {
  readonly schema: string;
  readonly clock: Clock;
}

const CONNECTIONS_MAX = 10;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const DAY_MS = 86_400_000;
/** Such a name needs no quotes. */
const SCHEMA_PATTERN = /^[a-z_][a-z0-9_]{0,40}$/;

/** @throws {WalError} `WAL_CONFIG` naming the option that does not fit. */
export function checkPostgresOptions(options: PostgresStoreOptions): PostgresConfig {
  const { schema = 'nv_wal', clock = systemClock } = options;
  const { connectionsMax: max = CONNECTIONS_MAX, connectTimeoutMs: connect = CONNECT_TIMEOUT_MS } = options;
  const { statementTimeoutMs: statement = STATEMENT_TIMEOUT_MS } = options;
  if (!SCHEMA_PATTERN.test(schema)) throw expected('schema', String(SCHEMA_PATTERN), schema);
  return {
    schema,
    clock,
    connectionsMax: checkInteger('connectionsMax', max, 1, 1000),
    connectTimeoutMs: checkInteger('connectTimeoutMs', connect, 1, DAY_MS),
    statementTimeoutMs: checkInteger('statementTimeoutMs', statement, 1, DAY_MS),
  };
}

/** Host and database of a URL, for messages: a URL may hold a password, in front of the host or among its parameters. */
export function nameOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'postgres:' && parsed?.protocol !== 'postgresql:') {
    throw new WalError('WAL_CONFIG', 'expected the store to be postgres://user@host:port/database');
  }
  return `postgres://${parsed.host}${parsed.pathname}`;
}
