// Any load on a writer over a disk that refuses, lands late, is repaired or answers late, against what callers were
// told. The same loads each time, unless `WAL_SEED` asks for others.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { Gate, Settled, Writer } from '../../lib/log/commit.js';
import type { Appended } from '../../lib/log/encode.js';
import { linesOf } from '../../lib/log/gzip.js';
import { keys, seqOfKey } from '../../lib/log/keyspace.js';
import { loadStreams } from '../../lib/log/open.js';
import type { Changes, Store } from '../../lib/log/store.js';
import { lineBytesMax } from '../../lib/records.js';
import { entriesOf } from '../helpers/log.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { turns, until } from '../helpers/until.js';
import { withWriter } from '../helpers/writer.js';

const it = suite('log/commit-model');

const seed = Number(process.env['WAL_SEED'] ?? 20_261_124);
process.stdout.write(`log/commit-model: WAL_SEED=${seed}\n`);
const RUNS = Number(process.env['WAL_RUNS'] ?? 2);
const STEPS = 40;
const KINDS = ['audit', 'log', 'usage'];
/** Renewals of the writer id for which the bench has ids. */
const RENEWALS_MAX = 7;
const NO_LUCK = new Error('the other change threw');

/** Mulberry32. */
function dice(state: number): (sides: number) => number {
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * sides);
  };
}

/** One append, and what its caller was told. */
interface Told {
  readonly n: number;
  readonly counts: readonly { kind: string; count: number }[];
  readonly mark: string | undefined;
  outcome?: { places: readonly Appended[] } | { error: Error };
}

/** A disk whose answers fall by dice. */
class Disk {
  readonly #dice: (sides: number) => number;
  readonly ends = new Map<string, number>();
  #landed = false;
  #renewals = 0;

  constructor(roll: (sides: number) => number) {
    this.#dice = roll;
  }

  async write(commit: () => Promise<void>, changes: Changes): Promise<void> {
    const fate = this.#dice(12);
    await turns(this.#dice(4));
    this.#landed = fate !== 0;
    if (!this.#landed) throw new Error('refused');
    await commit();
    for (const key of changes.keys()) {
      const kind = KINDS.find((one) => key.startsWith(`!entry!!${one}!`));
      if (kind) this.ends.set(kind, Math.max(this.ends.get(kind) ?? 0, seqOfKey(key)));
    }
    if (fate === 1) throw new Error('refused afterwards');
  }

  /** The truth: at once, or after giving up, or with streams that were read again. */
  async settle(store: Store, giveUp: () => void): Promise<Settled> {
    const isThere = this.#landed;
    const fate = this.#renewals < RENEWALS_MAX ? this.#dice(4) : 0;
    await turns(this.#dice(3));
    if (fate > 1) this.#renewals++;
    if (fate === 2) {
      giveUp();
      await turns(this.#dice(4));
    }
    return fate === 3 ? { isThere, streams: await loadStreams(store) } : isThere;
  }
}

class Load {
  readonly #writer: Writer;
  readonly #clock: ManualClock;
  readonly #disk: Disk;
  readonly #dice: (sides: number) => number;
  readonly told: Told[] = [];
  readonly #pending = new Set<Promise<unknown>>();
  changes = 0;
  changed = 0;

  constructor(writer: Writer, clock: ManualClock, disk: Disk, roll: (sides: number) => number) {
    this.#writer = writer;
    this.#clock = clock;
    this.#disk = disk;
    this.#dice = roll;
  }

  get pending(): number {
    return this.#pending.size;
  }

  #track(promise: Promise<unknown>): void {
    this.#pending.add(promise);
    void Promise.allSettled([promise]).then(() => this.#pending.delete(promise));
  }

  append(): void {
    const n = this.told.length;
    const roll = this.#dice;
    const records = (): string[] => {
      const count = roll(40) === 0 ? 3000 : 1 + roll(roll(3) === 0 ? 200 : 2);
      const size = count > 200 ? 10 : roll(20) === 0 ? 300_000 : roll(2000);
      return Array.from(
        { length: count },
        (_, m) =>
          `{"n":${n},"m":${m},"text":"${String(roll(2 ** 31))
            .repeat(10)
            .padEnd(size, 'ab')
            .slice(0, size)}"}`,
      );
    };
    const kinds = KINDS.slice(0, roll(4) === 0 ? 3 : 1 + roll(1)).map((_, at) => KINDS[(at + n) % 3]!);
    const appends = kinds.map((kind) => ({ kind, records: records() }));
    const bytes = appends.reduce(
      (sum, one) =>
        sum +
        lineBytesMax(
          one.kind,
          one.records.length,
          one.records.reduce((all, json) => all + json.length, 0),
        ),
      0,
    );
    const mark = roll(6) === 0 ? keys.quarantine('log', 'other', n + 1) : undefined;
    const luck = roll(3) !== 0;
    const also = mark
      ? (draft: { put: (key: string, content: unknown) => number }) => {
          if (!luck) throw NO_LUCK;
          draft.put(mark, { n });
        }
      : undefined;
    const told: Told = {
      n,
      counts: appends.map(({ kind, records: all }) => ({ kind, count: all.length })),
      mark,
    };
    this.told.push(told);
    const delay = [0, 0, 5, 1000][roll(4)]!;
    this.#track(
      this.#writer
        .append(appends, bytes, delay, also)
        .then(
          (places) => {
            for (const [at, place] of places.entries()) {
              const { kind, count } = told.counts[at]!;
              assert.ok(
                place.firstSeq + count - 1 <= (this.#disk.ends.get(kind) ?? 0),
                `${n} was told before it was on disk`,
              );
            }
            told.outcome = { places };
          },
          (error: Error) => (told.outcome = { error }),
        )
        .catch((error: Error) => (told.outcome = { error })),
    );
  }

  async step(): Promise<void> {
    const roll = this.#dice;
    const what = roll(20);
    if (what < 12) for (let n = roll(16); n >= 0; n--) this.append();
    else if (what < 15) {
      const n = ++this.changes;
      this.#track(
        this.#writer
          .change((draft) => {
            draft.put(keys.quarantine('log', 'changed', n), { n });
            return n;
          })
          .then((result) => {
            assert.is(result, n);
            this.changed++;
          }),
      );
    } else if (what === 15) this.#track(this.#writer.flushed());
    else if (what === 16) this.#clock.advance(roll(10));
    else if (what === 17) {
      const error = () => new WalError('WAL_FULL', 'full');
      const gates: Gate[] = [{ at: 'held' }, { at: 'refusing', error }, { at: 'open' }];
      this.#writer.gate = gates[roll(3)]!;
      await turns(roll(5));
      if (roll(2) === 0) this.#writer.gate = { at: 'open' };
    } else await turns(roll(12));
  }
}

/** By append: where its records stand. Fails where seqs have holes or repeat, or an id another seq. */
async function stored(
  store: Store,
  kind: string,
): Promise<Map<number, { id: string; seq: number; m: number }[]>> {
  const found = new Map<number, { id: string; seq: number; m: number }[]>();
  let last = 0;
  for (const entry of await entriesOf(store, kind)) {
    for (const text of String(await linesOf(entry))
      .split('\n')
      .slice(0, -1)) {
      const { id, seq, record } = JSON.parse(text) as {
        id: string;
        seq: number;
        record: { n: number; m: number };
      };
      assert.is(seq, ++last, `${kind}: a hole`);
      assert.ok(id.endsWith(`:${kind}:${seq}`));
      found.set(record.n, [...(found.get(record.n) ?? [])]);
      found.get(record.n)!.push({ id, seq, m: record.m });
    }
  }
  return found;
}

async function check(store: Store, load: Load): Promise<void> {
  for (const kind of KINDS) {
    const found = await stored(store, kind);
    let before = 0;
    for (const { n, counts, outcome } of load.told) {
      const at = counts.findIndex((one) => one.kind === kind);
      if (at === -1) continue;
      const there = found.get(n);
      if (!outcome) throw new Error(`${n} was never told`);
      if ('places' in outcome) {
        const { firstSeq, writerId } = outcome.places[at]!;
        assert.is(there?.length, counts[at]!.count, `${n} lost records`);
        assert.is(there![0]!.id, `${writerId}:${kind}:${firstSeq}`);
      } else if (!(outcome.error instanceof WalError)) {
        assert.is(outcome.error, NO_LUCK);
        assert.not(there, `${n} was refused and is there`);
      } else if (outcome.error.code !== 'WAL_IO')
        assert.not(there, `${n} was refused with ${outcome.error.code} and is there`);
      if (!there) continue;
      assert.is(there.length, counts[at]!.count, `${n} is there in part`);
      for (const [m, line] of there.entries()) assert.is(line.m, m);
      assert.is(there.at(-1)!.seq - there[0]!.seq, there.length - 1, `${n} is not in one piece`);
      assert.ok(there[0]!.seq > before, `${n} came before its time`);
      before = there.at(-1)!.seq;
    }
  }
  for (const { mark, n, outcome } of load.told) {
    if (mark && outcome && 'places' in outcome)
      assert.ok(await store.get(mark), `the mark of ${n} is missing`);
    else if (mark && (outcome as { error: Error }).error === NO_LUCK) assert.not(await store.get(mark));
  }
  for (let n = 1; n <= load.changes; n++) assert.ok(await store.get(keys.quarantine('log', 'changed', n)));
  assert.is(load.changed, load.changes);
}

async function live(runSeed: number): Promise<void> {
  const roll = dice(runSeed);
  const disk = new Disk(roll);
  const clock = new ManualClock();
  let commits: Changes[] = [];
  let store: Store | undefined;
  await withWriter(
    {
      clock,
      write: (commit) => disk.write(commit, commits.at(-1)!),
      settle: (_changes, _error, giveUp) => disk.settle(store!, giveUp),
    },
    async (bench) => {
      ({ commits, store } = bench);
      // Without a head, a stream that was read again would begin anew.
      await bench.writer.change((draft) => {
        for (const kind of KINDS) draft.setHead(draft.stream(kind), { seq: 0, offset: 0 });
      });
      const load = new Load(bench.writer, clock, disk, roll);
      for (let n = 0; n < STEPS; n++) await load.step();
      bench.writer.gate = { at: 'open' };
      const closed = bench.writer.close();
      let isClosed = false;
      void closed.then(() => (isClosed = true));
      await until(() => isClosed, 'the writer is closed');
      await until(() => load.pending === 0, 'everybody was told');
      assert.is(bench.writer.waitingBytes, 0);
      await check(bench.store, load);
      const streams = await loadStreams(bench.store);
      for (const kind of KINDS) assert.is(streams.get(kind)?.lastSeq ?? 0, disk.ends.get(kind) ?? 0);
    },
  );
}

it('whatever the disk answers, what was told is on disk, once, whole and in order', async () => {
  for (let n = 0; n < RUNS; n++) {
    await live(seed + n);
  }
});

it.run();
