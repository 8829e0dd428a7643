// Connections to PostgreSQL: what a store's URL and options make of them. The only file that imports `pg`, and only
// once a store is opened.

import type { Pool } from 'pg';
import { WalError } from '../errors.js';
import type { PoolLimits } from './postgres-options.js';

/** How much longer the client waits than the server may take: beyond it, the server is not there any more. */
const ANSWER_GRACE_MS = 5_000;

export async function makePool(url: string, limits: PoolLimits): Promise<Pool> {
  const { connectionsMax, connectTimeoutMs, statementTimeoutMs } = limits;
  const { Pool: PgPool } = await importPg();
  return new PgPool({
    connectionString: url,
    application_name: 'nv-wal',
    max: connectionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + ANSWER_GRACE_MS,
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

/** The code of what Node or the server threw. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
