import { EventEmitter, once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import pg from 'pg';
import { openPostgresStore } from '../../lib/ingest/index.js';
import type { IngestStore, PostgresStoreOptions } from '../../lib/ingest/index.js';
import { WalError } from '../../lib/errors.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { PASSWORD, postgresMissing, startPostgres } from '../helpers/postgres.js';
import type { PostgresServer } from '../helpers/postgres.js';
import { skipIf } from '../helpers/skip.js';
import { NOON, addContract, batch, codeOf, idsOf, line, lines, rangesOf } from './store-contract.js';

const suiteOf = suite('ingest/postgres-store');
const it = (name: string, test: () => Promise<void>) => skipIf(suiteOf, postgresMissing)(name, test);

const DAY_MS = 86_400_000;

/** One server for all cases, each with a schema of its own. */
const server = postgresMissing === false ? await startPostgres() : (undefined as never as PostgresServer);
let schemas = 0;

interface Here {
  store: IngestStore;
  schema: string;
  open: (more?: PostgresStoreOptions) => Promise<IngestStore>;
}

async function withStore(use: (here: Here) => Promise<void>, options: PostgresStoreOptions = {}) {
  const schema = `store_${++schemas}`;
  const clock = new ManualClock(NOON);
  const open = (more: PostgresStoreOptions = {}) =>
    openPostgresStore(server.url, { schema, clock, connectionsMax: 4, ...options, ...more });
  await using store = await open();
  await use({ store, schema, open });
}

async function query(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return ((await client.query(text)) as { rows: Record<string, unknown>[] }).rows;
  } finally {
    await client.end();
  }
}

const partitionsOf = async (schema: string) =>
  (
    await query(`select relname from pg_class where relnamespace = '${schema}'::regnamespace
     and relkind = 'r' and relispartition order by relname`)
  ).map(({ relname }) => relname);

addContract(it, async (use) => {
  await withStore(async ({ store, open }) => await use(store, open));
});

it('a record is in the partition of its own day, one without a usable day among the undated', async () => {
  await withStore(async ({ store, schema }) => {
    const days = [NOON, NOON - DAY_MS, NOON + 2 * DAY_MS, NOON + 3 * DAY_MS, NOON - 400 * DAY_MS, undefined];
    await store.store(batch(days.map((ts, index) => line(index + 1, { ts }))));
    assert.equal(await partitionsOf(schema), [
      'record_20260101',
      'record_20260102',
      'record_20260104',
      'record_undated',
    ]);
    const undated = await query(`select seq from ${schema}.record_undated order by seq`);
    assert.equal(undated, [{ seq: '4' }, { seq: '5' }, { seq: '6' }]);
  });
});

it('a record stays the one that it is when its day comes near enough for a partition', async () => {
  await withStore(async ({ store, schema, open }) => {
    const early = line(1, { ts: NOON + 5 * DAY_MS });
    await store.store(batch([early]));
    await using later = await open({ clock: new ManualClock(NOON + 5 * DAY_MS) });
    const other = line(1, { ts: NOON + 5 * DAY_MS, text: 'b' });
    assert.equal(await later.store(batch([early, other, line(2, { ts: NOON + 5 * DAY_MS })])), {
      accepted: 1,
      duplicates: 1,
      conflicts: [early.id],
    });
    assert.is(await later.count('audit'), 2);
    assert.equal(await partitionsOf(schema), ['record_20260107', 'record_undated']);
  });
});

it('days are opened once, however many batches ask for them at once', async () => {
  await withStore(async ({ store, schema, open }) => {
    await using other = await open();
    const week = (from: number) =>
      Array.from({ length: 7 }, (_, day) => line(from + day, { ts: NOON - day * DAY_MS }));
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, n) => (n % 2 ? store : other).store(batch(week(n * 7 + 1)))),
    );
    assert.is(
      results.reduce((all, { accepted }) => all + accepted, 0),
      84,
    );
    assert.is((await partitionsOf(schema)).length, 8);
    assert.is(await rangesOf(store), '1-84');
  });
});

it('a day that was dropped to save space is opened again when something of it arrives', async () => {
  await withStore(async ({ store, schema }) => {
    await store.store(batch(lines(1, 3)));
    await query(`drop table ${schema}.record_20260102`);
    assert.is((await store.store(batch(lines(3, 5)))).accepted, 3);
    assert.equal(
      await idsOf(store),
      lines(3, 5).map(({ id }) => id),
    );
    assert.is(await rangesOf(store), '1-5');
  });
});

it('several receivers may open a new schema at once', async () => {
  await withStore(async ({ open }) => {
    const schema = `store_${++schemas}`;
    const stores = await Promise.all(Array.from({ length: 4 }, () => open({ schema })));
    const results = await Promise.all(stores.map((store) => store.store(batch(lines(1, 20)))));
    assert.is(
      results.reduce((all, { accepted }) => all + accepted, 0),
      20,
    );
    for (const store of stores) await store.close();
  });
});

it('a schema of a newer version, or of something else, is refused and left as it is', async () => {
  await withStore(async ({ store, schema, open }) => {
    await store.close();
    await query(`update ${schema}.version set version = 99`);
    assert.is(await codeOf(open(), /version 99.*update/), 'WAL_FORMAT_TOO_NEW');
    await query(`create schema other_${schema} create table orders (id int)`);
    assert.is(await codeOf(open({ schema: `other_${schema}` }), /holds tables/), 'WAL_CONFIG');
    assert.is(await codeOf(open({ schema: 'a"b' }), /schema/), 'WAL_CONFIG');
  });
});

it('a user who may write but not create opens what is there', async () => {
  await withStore(async ({ store, schema }) => {
    await store.store(batch(lines(1, 2)));
    await query(`create role writer_${schema} login password 'x';
      grant usage on schema ${schema} to writer_${schema};
      grant select, insert, update on all tables in schema ${schema} to writer_${schema}`);
    const url = new URL(server.url);
    url.username = `writer_${schema}`;
    url.password = 'x';
    await using other = await openPostgresStore(url.href, { schema });
    assert.is((await other.store(batch(lines(2, 3)))).accepted, 1);
  });
});

it('durability that the server has turned off is turned on for what is answered for', async () => {
  await withStore(async ({ store, schema, open }) => {
    await query(`alter role wal set synchronous_commit = off;
      create function ${schema}.note() returns trigger language plpgsql as $$
      begin raise exception 'commit is %', current_setting('synchronous_commit'); end $$;
      create constraint trigger note after insert on ${schema}.record_undated deferrable initially deferred
        for each row execute function ${schema}.note()`);
    try {
      await using other = await open();
      assert.is(await codeOf(other.store(batch([line(1, { ts: undefined })])), 'commit is on'), 'WAL_IO');
      assert.is(await store.count('audit'), 0);
    } finally {
      await query('alter role wal reset synchronous_commit');
    }
  });
});

it('a batch that can not be stored is not stored in part', async () => {
  await withStore(async ({ store, schema }) => {
    await query(`alter table ${schema}.record add check (seq <> 500)`);
    assert.is(await codeOf(store.store(batch(lines(1, 600))), /failed/), 'WAL_IO');
    assert.is(await store.count('audit'), 0);
    assert.is(await rangesOf(store), '');
    assert.is((await store.store(batch(lines(1, 499)))).accepted, 499);
  });
});

it('a batch locks the partitions of its own days only, however many there are', async () => {
  await withStore(async ({ store, schema }) => {
    const month = Array.from({ length: 30 }, (_, day) => line(day + 1, { ts: NOON - day * DAY_MS }));
    await store.store(batch(month));
    const holder = new pg.Client({ connectionString: server.url });
    await holder.connect();
    await holder.query(`begin; lock table ${schema}.log in access exclusive mode`);
    // One that is there, and a new one.
    const pending = store.store(batch([line(1), line(31, { writer: 'ZZZZZZZZZZZZZZZZ' })]));
    let locked: unknown[] = [];
    while (locked.length === 0) {
      const found = await query(`select distinct c.relname::text from pg_locks as l
        join pg_class as c on c.oid = l.relation join pg_stat_activity as a on a.pid = l.pid
        where a.application_name = 'nv-wal' and a.wait_event_type = 'Lock' and c.relname like 'record_2%' order by 1`);
      locked = found.map(({ relname }) => relname);
    }
    await holder.end();
    assert.equal(locked, ['record_20260102', 'record_20260102_pkey']);
    assert.equal(await pending, { accepted: 1, duplicates: 1, conflicts: [] });
  });
});

it('a connection that breaks fails its batch, and the next one gets another', async () => {
  await withStore(async ({ store, schema }) => {
    // Held up by a lock, so that it is certainly under way.
    const holder = new pg.Client({ connectionString: server.url });
    await holder.connect();
    await holder.query(`begin; lock table ${schema}.notice in access exclusive mode`);
    const pending = codeOf(store.store(batch(lines(1, 100))), /failed/);
    for (;;) {
      const killed = await query(`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'nv-wal' and wait_event_type = 'Lock'`);
      if (killed.length > 0) break;
    }
    assert.is(await pending, 'WAL_IO');
    await holder.end();
    assert.equal(await store.store(batch(lines(1, 100))), { accepted: 100, duplicates: 0, conflicts: [] });
  });
});

it('an export whose connection breaks ends with an error, between two pieces as well', async () => {
  await withStore(async ({ store }) => {
    await store.store(batch(lines(1, 1500)));
    const exporting = store.lines('audit')[Symbol.asyncIterator]();
    await exporting.next();
    const killed = await query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where application_name = 'nv-wal' and state = 'idle in transaction'`);
    assert.is(killed.length, 1);
    const rest = async () => {
      while (!(await exporting.next()).done);
    };
    assert.is(await codeOf(rest(), /failed: ./), 'WAL_IO');
    assert.is((await idsOf(store)).length, 1500);
  });
});

it('a statement that takes too long is ended by the server', async () => {
  await withStore(
    async ({ store, schema }) => {
      const holder = new pg.Client({ connectionString: server.url });
      await holder.connect();
      await holder.query(`begin; lock table ${schema}.notice in access exclusive mode`);
      assert.is(await codeOf(store.store(batch(lines(1, 10))), /statement timeout/), 'WAL_IO');
      await holder.end();
      assert.is((await store.store(batch(lines(1, 10)))).accepted, 10);
    },
    { statementTimeoutMs: 200 },
  );
});

it('a server that crashes loses nothing that was answered for, and the store finds it again', async () => {
  await withStore(async ({ store }) => {
    const answered: number[] = [];
    let next = 0;
    const progress = new EventEmitter();
    const enough = once(progress, 'enough');
    const send = async () => {
      for (;;) {
        const from = next++ * 40 + 1;
        await store.store(batch(lines(from, from + 39)));
        answered.push(from);
        if (answered.length === 20) progress.emit('enough');
      }
    };
    const sending = Promise.allSettled([send(), send(), send()]);
    await enough;
    await server.crash();
    for (const end of await sending) assert.instance((end as PromiseRejectedResult).reason, WalError);
    assert.is(await codeOf(store.store(batch([line(1)])), /ECONNREFUSED/), 'WAL_IO');
    await server.start();
    const stored = new Set(await idsOf(store));
    for (const from of answered) for (const { id } of lines(from, from + 39)) assert.ok(stored.has(id), id);
    assert.is(stored.size % 40, 0);
  });
});

it('a password is never shown, and what is wrong with a URL is a configuration error', async () => {
  const messages: string[] = [];
  const wrong = new URL(server.url);
  wrong.password = `${PASSWORD}-wrong`;
  const nowhere = new URL(server.url);
  nowhere.pathname = '/nowhere';
  for (const url of [
    wrong.href,
    nowhere.href,
    server.urlWithoutPassword,
    `mysql://a:${PASSWORD}@h/`,
    `postgres://[${PASSWORD}`,
  ]) {
    const error = await openPostgresStore(url).then(
      () => assert.unreachable(),
      (thrown: unknown) => thrown as WalError,
    );
    assert.is(error?.code, url === server.urlWithoutPassword ? 'WAL_IO' : 'WAL_CONFIG', error?.message);
    messages.push(
      `${error?.stack} ${JSON.stringify(error)} ${JSON.stringify(error?.cause)} ${String(error?.cause)}`,
    );
  }
  const closed = new URL(server.url);
  closed.port = '1';
  assert.is(await codeOf(openPostgresStore(closed.href), '127.0.0.1:1/postgres'), 'WAL_IO');
  for (const message of messages) assert.not.match(message, PASSWORD);
});

it('the server ends in peace, and with it the last case', async () => {
  await server.stop();
});

suiteOf.run();
