// Connections to PostgreSQL: what a store's URL and options make of them. The only file that imports `pg`, and only
// once a store is opened.

import type { Pool } from 'pg';
import type { Clock } from '../clock.js';
import { checkInteger } from '../config.js';
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

const CONNECTIONS_MAX = 10;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const DAY_MS = 86_400_000;
/** How much longer the client waits than the server may take: beyond it, the server is not there any more. */
const ANSWER_GRACE_MS = 5_000;

export async function makePool(url: string, options: PostgresStoreOptions): Promise<Pool> {
  const max = checkInteger('connectionsMax', options.connectionsMax ?? CONNECTIONS_MAX, 1, 1000);
  const connectTimeout = checkInteger('connectTimeoutMs', options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, 1);
  const statementTimeout = checkInteger(
    'statementTimeoutMs',
    options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    1,
    DAY_MS,
  );
  const { Pool: PgPool } = await importPg();
  return new PgPool({
    connectionString: url,
    application_name: 'nv-wal',
    max,
    connectionTimeoutMillis: connectTimeout,
    statement_timeout: statementTimeout,
    query_timeout: statementTimeout + ANSWER_GRACE_MS,
    keepAlive: true,
  });
}

/** Loaded where it is used: who keeps what comes in LevelDB need not install it. */
async function importPg(): Promise<{ Pool: typeof Pool }> {
  try {
    return (await import('pg')).default;
  } catch (cause) {
    if (codeOf(cause) !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new WalError('WAL_CONFIG', `the PostgreSQL store needs the package 'pg': npm install pg`, {
      cause,
    });
  }
}

/** Host and database, for messages: a URL may hold a password, in front of the host or among its parameters. */
export function nameOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'postgres:' && parsed?.protocol !== 'postgresql:') {
    throw new WalError('WAL_CONFIG', 'expected the store to be postgres://user@host:port/database');
  }
  return `postgres://${parsed.host}${parsed.pathname}`;
}

/** The code of what Node or the server threw. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
