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

    return query
    with line as materialized (
      select *, split_part(given.id, ':', 1) as writer
      from unnest(ids, seqs, days, froms, reasons, ats, string_to_array(convert_from(body, 'UTF8'), E'\\n'))
        with ordinality as given (id, seq, day, gap_from, reason, at, content, n)
    ), filed as materialized (
      select * from $schema.writer as w
      where w.kind = the_kind and w.writer in (select line.writer from line where reason is null)
        and w.last_seq >= (select min(seq) from line) and w.first_seq <= (select max(seq) from line)
    ), placed as materialized (
      select once.*, coalesce((
        select found.day from filed
        cross join lateral (
          select r.day from $schema.record as r where r.id = once.id and r.day = filed.day limit 1
        ) as found
        where filed.writer = once.writer and once.seq between filed.first_seq and filed.last_seq
        limit 1
      ), once.day) as place
      from (select distinct on (line.id) * from line where reason is null order by line.id, n) as once
    ), new_record as (
      insert into $schema.record as r (id, day, kind, seq, line)
      select placed.id, place, the_kind, seq, content from placed
      on conflict do nothing returning r.id, r.line
    ), new_notice as (
      insert into $schema.notice as t (id, kind, log_id, from_seq, to_seq, reason, at, line)
      select distinct on (line.id) line.id, the_kind, writer, gap_from, seq, line.reason, line.at, content
      from line where line.reason is not null order by line.id, n
      on conflict do nothing returning t.id, t.line
    ), spread as (
      insert into $schema.writer as w (kind, writer, day, first_seq, last_seq)
      select the_kind, placed.writer, place, min(seq), max(seq) from placed group by placed.writer, place
      on conflict (kind, writer, day) do update
        set first_seq = least(w.first_seq, excluded.first_seq), last_seq = greatest(w.last_seq, excluded.last_seq)
        where excluded.first_seq < w.first_seq or excluded.last_seq > w.last_seq
    ), judged as materialized (
      select line.id, line.n, line.gap_from, line.seq,
        added.id is not null and line.n = min(line.n) over (partition by line.id) as is_new,
        line.content = coalesce(added.line, found.line) as is_same
      from line
      left join (select * from new_record union all select * from new_notice) as added on added.id = line.id
      left join placed on added.id is null and line.reason is null and placed.id = line.id
      left join lateral (
        (select r.line from $schema.record as r where r.id = placed.id and r.day = placed.place limit 1)
        union all
        (select t.line from $schema.notice as t
          where added.id is null and line.reason is not null and t.id = line.id limit 1)
      ) as found on true
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
