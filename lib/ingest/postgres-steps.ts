// What a receiver keeps in PostgreSQL: its tables and its two functions, in steps. `$schema` stands for the name of
// the schema. SQL only.

/**
 * - `record` is partitioned by day, so that old days can be dropped whole. Its primary key has to contain the day
 *   and can't alone keep an id from being stored under two days; `writer` does: it knows in which days which
 *   seqs of a writer may be, so a record that is there is found whatever day a line claims.
 * - `notice` is small: it is not partitioned.
 * - `log.arrived` is what has come of a log, as records or in notices, conflicts excepted.
 */
const TABLES = `
  create table $schema.record (
    id text collate "C" not null,
    day date not null,
    kind text not null,
    seq bigint not null,
    line text not null,
    received_at timestamptz not null default now(),
    primary key (id, day)
  ) partition by range (day);
  create table $schema.record_undated partition of $schema.record
    for values from ('1970-01-01') to ('1970-01-01'::date + 1);
  create table $schema.notice (
    id text collate "C" primary key,
    kind text not null,
    log_id text collate "C" not null,
    from_seq bigint not null,
    to_seq bigint not null,
    reason text not null,
    at bigint not null,
    line text not null,
    received_at timestamptz not null default now()
  );
  create index notice_of_log on $schema.notice (kind, log_id, from_seq);
  create table $schema.writer (
    kind text not null,
    writer text collate "C" not null,
    day date not null,
    first_seq bigint not null,
    last_seq bigint not null,
    primary key (kind, writer, day)
  );
  create table $schema.log (
    kind text not null,
    log_id text collate "C" not null,
    service text,
    instance text,
    arrived int8multirange not null,
    seen_at timestamptz not null,
    primary key (log_id, kind)
  ) with (fillfactor = 50);
`;

/**
 * Makes the partition of a day. Attaching waits for nobody who inserts, and lets nobody wait; creating it in its
 * place would lock the whole table.
 */
const OPEN_DAY = `
  create function $schema.open_day(opened date) returns void language plpgsql as $$
  declare
    name text := 'record_' || to_char(opened, 'YYYYMMDD');
  begin
    perform pg_advisory_xact_lock(hashtextextended('$schema.open_day', 0));
    if to_regclass('$schema.' || name) is null then
      execute format('create table $schema.%I (like $schema.record including all)', name);
      execute format('alter table $schema.record attach partition $schema.%I for values from (%L) to (%L)',
        name, opened, opened + 1);
    end if;
  end $$;
`;

/**
 * Stores a batch: one statement, and so one transaction and one round trip. `body` is the lines, joined by `\n`;
 * the arrays have an element for each, and those of `froms`, `reasons` and `ats` are null for a record.
 */
const STORE = `
  create function $schema.store(
    the_kind text, the_log text, the_service text, the_instance text, body bytea,
    ids text[], seqs bigint[], days date[], froms bigint[], reasons text[], ats bigint[]
  ) returns table (accepted bigint, duplicates bigint, conflicts text[])
  language plpgsql
  -- Plans are kept, and may have been made when the tables were empty: an index is right at any size.
  set enable_seqscan = off set jit = off
  as $$
  declare
    known_ids text[] := '{}';
    known_lines text[] := '{}';
    near date;
  begin
    -- The sender deletes its copy on this transaction's word.
    if current_setting('synchronous_commit') = 'off' then
      perform set_config('synchronous_commit', 'on', true);
    end if;
    -- What one writer or log sends is stored one batch at a time, so what is read below stays true until it is
    -- committed. Locks are few, however many writers a batch names, and taken in one order.
    perform pg_advisory_xact_lock(hashtext('$schema.store'), bucket) from (
      select distinct abs(hashtext(the_kind || split_part(id, ':', 1)) % 256) as bucket
      from unnest(ids) as id order by bucket
    ) as buckets;

    -- The days under which ids of this batch may be stored already: mostly none, or one. Each is asked by name:
    -- in one query for all of them, PostgreSQL would lock every partition that there is.
    for near in
      select distinct w.day from (
        select split_part(l.id, ':', 1) as writer, min(l.seq) as low, max(l.seq) as high
        from unnest(ids, seqs, reasons) as l (id, seq, reason) where l.reason is null group by 1
      ) as sent
      join $schema.writer as w on w.kind = the_kind and w.writer = sent.writer
        and w.first_seq <= sent.high and w.last_seq >= sent.low
    loop
      execute format(
        'select $1 || coalesce(array_agg(id), ''{}''), $2 || coalesce(array_agg(line), ''{}'')
         from $schema.record where day = %L and id = any ($3)', near)
      into known_ids, known_lines using known_ids, known_lines, ids;
    end loop;

    return query
    with line as materialized (
      select *, split_part(given.id, ':', 1) as writer
      from unnest(ids, seqs, days, froms, reasons, ats, string_to_array(convert_from(body, 'UTF8'), E'\\n'))
        with ordinality as given (id, seq, day, gap_from, reason, at, content, n)
    ), known as materialized (
      select * from unnest(known_ids, known_lines) as record (id, content)
      union all
      select notice.id, notice.line from $schema.notice as notice
      where notice.id in (select line.id from line where line.reason is not null)
    ), fresh as materialized (
      select distinct on (line.id) * from line
      where not exists (select from known where known.id = line.id)
      order by line.id, n
    ), new_record as (
      insert into $schema.record (id, day, kind, seq, line)
      select fresh.id, day, the_kind, seq, content from fresh where fresh.reason is null
    ), new_notice as (
      insert into $schema.notice (id, kind, log_id, from_seq, to_seq, reason, at, line)
      select fresh.id, the_kind, writer, gap_from, seq, fresh.reason, fresh.at, content
      from fresh where fresh.reason is not null
    ), spread as (
      insert into $schema.writer as w (kind, writer, day, first_seq, last_seq)
      select the_kind, fresh.writer, fresh.day, min(seq), max(seq)
      from fresh where fresh.reason is null group by fresh.writer, fresh.day
      on conflict (kind, writer, day) do update
        set first_seq = least(w.first_seq, excluded.first_seq), last_seq = greatest(w.last_seq, excluded.last_seq)
        where excluded.first_seq < w.first_seq or excluded.last_seq > w.last_seq
    ), judged as materialized (
      select line.id, line.n, line.gap_from, line.seq, coalesce(line.n = fresh.n, false) as is_new,
        line.content = coalesce(known.content, fresh.content) as is_same
      from line left join known on known.id = line.id left join fresh on fresh.id = line.id
    ), followed as (
      insert into $schema.log as l (kind, log_id, service, instance, arrived, seen_at)
      select the_kind, the_log, the_service, the_instance,
        coalesce(range_agg(int8range(coalesce(gap_from, seq), seq, '[]')) filter (where is_same), '{}'), now()
      from judged having the_log is not null
      on conflict (log_id, kind) do update
        set service = excluded.service, instance = excluded.instance, seen_at = excluded.seen_at,
          arrived = l.arrived + excluded.arrived
    )
    select count(*) filter (where is_new), count(*) filter (where is_same and not is_new),
      coalesce(array_agg(judged.id order by n) filter (where not is_same), '{}')
    from judged;
  end $$;
`;

/** One for each version, in order. A step that was released is never changed. */
export const STEPS: readonly string[] = [TABLES + OPEN_DAY + STORE];
