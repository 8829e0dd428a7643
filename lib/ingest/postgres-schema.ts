// Brings the schema of a PostgreSQL store to this version, or refuses it. What a version has is
// postgres-steps.ts's to say.

import { WalError } from '../errors.js';
import { STEPS } from './postgres-steps.js';

/** What the steps need of a connection. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** int8multirange, which holds what has arrived of a log, came with 14. */
const SERVER_VERSION_MIN = 140_000;

export const VERSION = STEPS.length;

/**
 * Brings the schema to this version, or makes it. Must run in a transaction: a step is there whole or not at all,
 * and of several receivers that start at once, one takes it.
 *
 * @throws {WalError} `WAL_CONFIG`: a server that is too old, or a database that is not UTF-8, or a schema of
 *   something else. `WAL_FORMAT_TOO_NEW`.
 */
export async function bringUpToDate(connection: Queryable, schema: string, store: string): Promise<void> {
  const { rows } = await connection.query(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`,
  );
  const { version, encoding } = rows[0] as { version: number; encoding: string };
  if (version < SERVER_VERSION_MIN) {
    throw new WalError(
      'WAL_CONFIG',
      `the store ${store} needs PostgreSQL 14 or newer, its server has ${version}`,
    );
  }
  if (encoding !== 'UTF8') {
    throw new WalError(
      'WAL_CONFIG',
      `the store ${store} needs a database in UTF8, this one is in ${encoding}`,
    );
  }
  await connection.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [`${schema}.schema`]);
  let at = await versionOf(connection, schema, store);
  if (at > VERSION) {
    throw new WalError(
      'WAL_FORMAT_TOO_NEW',
      `the store ${store} has version ${at}, this one knows up to ${VERSION}; update @nv/wal`,
    );
  }
  for (; at < VERSION; at++) {
    await connection.query(STEPS[at]!.replaceAll('$schema', schema));
    await connection.query(`update ${schema}.version set version = $1`, [at + 1]);
  }
}

/** 0 for a schema that was just made. Asks before it makes anything: who may only write needs no right to create. */
async function versionOf(connection: Queryable, schema: string, store: string): Promise<number> {
  const { rows } = await connection.query(
    `select to_regclass($1) is not null as known,
       exists (select from pg_class where relnamespace = to_regnamespace($2)) as used`,
    [`${schema}.version`, schema],
  );
  const { known, used } = rows[0] as { known: boolean; used: boolean };
  if (known) {
    const versions = await connection.query(`select version from ${schema}.version`);
    return (versions.rows[0] as { version: number } | undefined)?.version ?? 0;
  }
  if (used) {
    throw new WalError('WAL_CONFIG', `the schema ${schema} of ${store} holds tables that are no receiver's`);
  }
  await connection.query(
    `create schema if not exists ${schema};
     create table ${schema}.version (version int not null);
     insert into ${schema}.version values (0)`,
  );
  return 0;
}
