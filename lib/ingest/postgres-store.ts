// The receiver's store in PostgreSQL: any number of receivers, one database. What is in it, and what one batch
// does there, is postgres-steps.ts's to say.

import type { Pool, PoolClient, QueryConfig } from 'pg';
import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { Gap } from '../records.js';
import { UNDATED, dayFor } from './postgres-days.js';
import { checkPostgresOptions, nameOf } from './postgres-options.js';
import type { PostgresStoreOptions } from './postgres-options.js';
import { codeOf, makePool } from './postgres-pool.js';
import { bringUpToDate } from './postgres-schema.js';
import type { Arrival, IngestBatch, IngestStore, StoreResult, StoredLine } from './store.js';

/** Exports and checks read as long as they like. */
const EXPORT_TIMEOUT_MS = 86_400_000;
const ROWS_AT_ONCE = 1000;
/** No partition takes the row: somebody has dropped it since. */
const NO_PARTITION = '23514';
/** Errors that only a person can do something about: credentials, database, schema and rights. */
const CONFIG_ERRORS: ReadonlySet<unknown> = new Set(['28P01', '28000', '3D000', '42501']);
const NEWLINE = Buffer.from('\n');

/**
 * Opens the store in a PostgreSQL database (14 or newer, UTF-8), `postgres://user:password@host:port/database`, and
 * makes or updates its schema. Needs the package `pg`. What the URL leaves out comes from `PGPASSWORD` and the
 * like. The password never gets into a message.
 *
 * @throws {WalError} naming host and database. `WAL_CONFIG`: no such URL, `pg` is not installed, the server
 *   refuses the user or is too old. `WAL_FORMAT_TOO_NEW`. `WAL_IO`: not reachable.
 */
export async function openPostgresStore(
  url: string,
  options: PostgresStoreOptions = {},
): Promise<IngestStore> {
  const name = nameOf(url);
  const { schema, clock, ...limits } = checkPostgresOptions(options);
  const pool = await makePool(url, limits);
  const store = new PostgresIngestStore(name, schema, pool, clock);
  try {
    await store.open();
  } catch (error) {
    await pool.end();
    throw error;
  }
  return store;
}

class PostgresIngestStore implements IngestStore {
  readonly #name: string;
  readonly #schema: string;
  readonly #pool: Pool;
  readonly #clock: Clock;
  /** Days whose partition is there, as far as is known: a set that grows by one a day. */
  readonly #days = new Set<string>([UNDATED]);
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(name: string, schema: string, pool: Pool, clock: Clock) {
    this.#name = name;
    this.#schema = schema;
    this.#pool = pool;
    this.#clock = clock;
    // A connection that breaks while nobody waits for it, in the pool or between two pieces of an export: whoever
    // uses it next is told. Without a listener, Node would end the process.
    pool.on('error', () => {});
    pool.on('connect', (client) => client.on('error', () => {}));
  }

  async open(): Promise<void> {
    const client = await this.#connect();
    let failure: WalError | undefined;
    try {
      await client.query('begin');
      await bringUpToDate(client, this.#schema, this.#name);
      await client.query('commit');
    } catch (error) {
      failure = this.#failure(error);
      throw failure;
    } finally {
      await letGo(client, failure);
    }
  }

  async store(batch: IngestBatch): Promise<StoreResult> {
    return await this.#whileOpen(async () => {
      const now = this.#clock.now();
      const days = batch.lines.map((line) => dayFor(line, now));
      await this.#openDays(days);
      try {
        return await this.#send(batch, days);
      } catch (error) {
        if (codeOf(error) !== NO_PARTITION) throw error;
        for (const day of days) if (day !== UNDATED) this.#days.delete(day);
        await this.#openDays(days);
        return await this.#send(batch, days);
      }
    });
  }

  async count(kind: string): Promise<number> {
    const rows = this.#rows(
      `select (select count(*) from ${this.#schema}.record where kind = $1)
            + (select count(*) from ${this.#schema}.notice where kind = $1) as lines`,
      [kind],
    );
    let count = 0;
    for await (const { lines } of rows as AsyncIterable<{ lines: string }>) count += Number(lines);
    return count;
  }

  async *lines(kind: string): AsyncIterable<StoredLine> {
    const rows = this.#rows(
      `select id, line from (
         select id, seq, line from ${this.#schema}.record where kind = $1
         union all select id, to_seq, line from ${this.#schema}.notice where kind = $1
       ) as stored order by split_part(id, ':', 1) collate "C", seq, id`,
      [kind],
    );
    for await (const { id, line } of rows as AsyncIterable<{ id: string; line: string }>) {
      yield { id, line: Buffer.from(line) };
    }
  }

  async kinds(): Promise<string[]> {
    const rows = await this.#ask<{ kind: string }>(
      `select kind from ${this.#schema}.writer union select kind from ${this.#schema}.notice`,
      [],
    );
    return rows.map(({ kind }) => kind).toSorted();
  }

  async *arrivals(kind: string): AsyncIterable<Arrival> {
    const rows = this.#rows(
      `select log_id, service, instance, lower(range) as "from", upper(range) - 1 as "to"
       from ${this.#schema}.log, unnest(arrived) as range where kind = $1 order by log_id, range`,
      [kind],
    );
    for await (const row of rows as AsyncIterable<Record<string, string | null>>) {
      const { log_id: logId, service, instance, from, to } = row;
      yield {
        logId: logId!,
        service: service ?? undefined,
        instance: instance ?? undefined,
        from: Number(from),
        to: Number(to),
      };
    }
  }

  async notices(kind: string, logId: string, countMax: number): Promise<Gap[]> {
    const rows = await this.#ask<{ from_seq: string; to_seq: string; reason: Gap['reason']; at: string }>(
      `select from_seq, to_seq, reason, at from ${this.#schema}.notice
       where kind = $1 and log_id = $2 order by from_seq limit $3`,
      [kind, logId, countMax],
    );
    return rows.map(({ from_seq: from, to_seq: to, reason, at }) => ({
      from: Number(from),
      to: Number(to),
      reason,
      at: Number(at),
    }));
  }

  async ownerOf(logId: string): Promise<string | undefined> {
    const [owner] = await this.#ask<{ service: string }>(
      `select service from ${this.#schema}.log where log_id = $1 and service is not null limit 1`,
      [logId],
    );
    return owner?.service;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#pool.end();
  }

  async #send(
    { kind, logId, service, instance, lines }: IngestBatch,
    days: readonly string[],
  ): Promise<StoreResult> {
    const { rows } = await this.#pool.query(
      `select * from ${this.#schema}.store($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        kind,
        logId,
        service,
        instance,
        // One piece of bytes: as an array of texts, every quote of every line would be escaped on the way.
        Buffer.concat(lines.flatMap(({ bytes }, index) => (index > 0 ? [NEWLINE, bytes] : [bytes]))),
        lines.map(({ id }) => id),
        lines.map(({ seq }) => seq),
        days,
        lines.map(({ gap }) => gap?.from ?? null),
        lines.map(({ gap }) => gap?.reason ?? null),
        lines.map(({ gap }) => gap?.at ?? null),
      ],
    );
    const [result] = rows as [{ accepted: string; duplicates: string; conflicts: string[] }];
    const { accepted, duplicates, conflicts } = result;
    return { accepted: Number(accepted), duplicates: Number(duplicates), conflicts };
  }

  async #openDays(days: readonly string[]): Promise<void> {
    for (const day of new Set(days)) {
      if (this.#days.has(day)) continue;
      await this.#pool.query(`select ${this.#schema}.open_day($1)`, [day]);
      this.#days.add(day);
    }
  }

  /** For what is small and found by an index: one round trip. */
  async #ask<Row>(text: string, values: unknown[]): Promise<Row[]> {
    return await this.#whileOpen(async () => (await this.#pool.query(text, values)).rows as Row[]);
  }

  /** What a query finds, a piece at a time, as it was when the first was asked for. */
  async *#rows(text: string, values: unknown[]): AsyncIterable<unknown> {
    if (this.#closing) throw this.#closedError();
    const client = await this.#connect();
    let failure: WalError | undefined;
    try {
      await client.query('begin read only; set local statement_timeout = 0');
      await client.query(exporting(`declare rows cursor for ${text}`, values));
      for (;;) {
        const { rows } = await client.query(exporting(`fetch ${ROWS_AT_ONCE} from rows`));
        yield* rows as unknown[];
        if (rows.length < ROWS_AT_ONCE) return;
      }
    } catch (error) {
      failure = this.#failure(error);
      throw failure;
    } finally {
      await letGo(client, failure);
    }
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async #whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw this.#closedError();
    const working = work().catch((error: unknown) => {
      throw this.#failure(error);
    });
    this.#underWay.add(working);
    try {
      return await working;
    } finally {
      this.#underWay.delete(working);
    }
  }

  #failure(error: unknown): WalError {
    if (error instanceof WalError) return error;
    const code = CONFIG_ERRORS.has(codeOf(error)) ? 'WAL_CONFIG' : 'WAL_IO';
    // Where several addresses were tried, Node's error has a code and no message.
    const why = messageOf(error) || String(codeOf(error));
    return new WalError(code, `the store ${this.#name} failed: ${why}`, { cause: error });
  }

  #closedError(): WalError {
    return new WalError('WAL_CLOSED', `the store ${this.#name} was closed`);
  }
}

/** Gives a connection back; one that something failed on is closed, which also ends its transaction. */
async function letGo(client: PoolClient, failure: WalError | undefined): Promise<void> {
  if (failure) return client.release(failure);
  // What was committed is not touched by it: then there is nothing to roll back.
  await client.query('rollback').then(
    () => client.release(),
    (error: Error) => client.release(error),
  );
}

/** A query that the client waits for as long as it takes. `pg` reads the option, its types don't have it. */
function exporting(text: string, values: unknown[] = []): QueryConfig & { query_timeout: number } {
  return { text, values, query_timeout: EXPORT_TIMEOUT_MS };
}
