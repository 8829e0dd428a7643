// A plain-array model of one stream beside the real one: what was appended, what went and why, and what each
// cursor must have counted. Says what must hold after any sequence of steps.

import * as assert from 'uvu/assert';
import { decodeEntry } from '../../lib/log/entry.js';
import type { Eviction } from '../../lib/log/evict.js';
import { evictOlder, evictToBounds, lose } from '../../lib/log/evict.js';
import { sectionRange, seqOfKey } from '../../lib/log/keyspace.js';
import { backlogOf } from '../../lib/log/ledger.js';
import type { Log } from '../../lib/log/log.js';
import { loadStreams, rowsOf } from '../../lib/log/open.js';
import { acknowledge, addCursor, forget } from '../../lib/log/operations.js';
import { readAfter } from '../../lib/log/read.js';
import type { Evictable } from '../../lib/log/rehearsal.js';
import { Rehearsal } from '../../lib/log/rehearsal.js';
import { replay } from '../../lib/log/replay.js';
import type { Step } from '../../lib/log/read.js';
import { backlogBytes, lowestCursor, storedBytes } from '../../lib/log/state.js';
import { verifyLog } from '../../lib/log/verify.js';
import type { GapReason } from '../../lib/records.js';
import { append, flipped, numbers } from './log.js';
import type { OpenLog } from './log.js';

interface CursorModel {
  seq: number;
  startSeq: number;
  delivered: number;
  dropped: number;
  lost: number;
}

export class LogModel {
  readonly #opened: OpenLog;
  readonly #kind: string;
  readonly #began: number;
  /** By seq: why it is gone; undefined while it is there. */
  readonly #gone: (GapReason | undefined)[] = [undefined];
  readonly #cursors = new Map<string, CursorModel>();
  readonly #inFlight = new Map<string, Step[]>();
  /** By shipper: how often its cursor was moved back, and had been when its batch was read. */
  readonly #replays = new Map<string, number>();
  readonly #replaysInFlight = new Map<string, number>();

  constructor(opened: OpenLog, kind: string) {
    this.#opened = opened;
    this.#kind = kind;
    this.#began = opened.clock.now();
    for (const [name] of this.#log.stream(kind).cursors) this.#cursors.set(name, newCursor(0));
  }

  get #log(): Log {
    return this.#opened.log;
  }

  get lastSeq(): number {
    return this.#gone.length - 1;
  }

  async append(count: number): Promise<void> {
    const first = this.lastSeq + 1;
    this.#opened.clock.advance(1);
    const records = numbers(first, first + count - 1).map((n) => ({ n, text: 'x'.repeat(n % 40) }));
    assert.is(await append(this.#log, this.#kind, records), first);
    for (let n = 0; n < count; n++) this.#gone.push(undefined);
  }

  /** Reads the next batch as a shipper does, giving damage up for lost, and holds it. */
  async begin(shipper: string, recordsMax: number): Promise<void> {
    const cursor = this.#cursors.get(shipper);
    if (!cursor || this.#inFlight.has(shipper)) return;
    for (;;) {
      const { claims, store } = this.#log;
      const stream = this.#log.stream(this.#kind);
      const removals = claims.removals(this.#kind);
      const bounds = { upTo: stream.lastSeq, recordsMax, lineBytesMax: 1_048_576 };
      const { steps } = await readAfter(store, stream, cursor.seq, bounds);
      const [first] = steps;
      if (!first) return assert.is(cursor.seq, this.lastSeq);
      const damage = steps.find((step) => step.is === 'damage')?.damage;
      if (damage) {
        const lost = await lose(this.#log, this.#kind, damage, removals);
        if (!lost) return;
        this.#take([lost]);
        continue;
      }
      this.#check(steps, cursor.seq);
      const range = { from: first.from, to: steps.at(-1)!.to };
      assert.ok(claims.send(this.#kind, shipper, range, removals));
      this.#inFlight.set(shipper, steps);
      this.#replaysInFlight.set(shipper, this.#replays.get(shipper) ?? 0);
      return;
    }
  }

  /** The batch was delivered. */
  async finish(shipper: string): Promise<void> {
    const steps = this.#inFlight.get(shipper);
    const cursor = this.#cursors.get(shipper);
    if (!steps || !cursor) return;
    const records = steps.filter((step) => step.is === 'records');
    const delivered = records.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const { to } = steps.at(-1)!;
    const replays = this.#replaysInFlight.get(shipper) ?? 0;
    const isTaken = await this.#log.change((draft) =>
      acknowledge(draft, {
        kind: this.#kind,
        shipper,
        after: steps[0]!.from - 1,
        to,
        delivered,
        quarantined: [],
        entries: records.map(({ entry }) => entry),
        deletes: this.#log.trimmer.deletesAtOnce(this.#kind),
        at: 0,
        replays,
      }),
    );
    this.abort(shipper);
    assert.is(
      isTaken,
      replays === (this.#replays.get(shipper) ?? 0),
      'only what was read since the last replay',
    );
    if (!isTaken) return;
    cursor.seq = to;
    cursor.delivered += delivered;
  }

  /** Moves a cursor back to somewhere in what is kept. */
  async replay(shipper: string, share: number): Promise<void> {
    await this.#log.trimmer.idle();
    const before = this.#cursors.get(shipper);
    const { head } = this.#log.stream(this.#kind);
    if (!before || before.seq <= head.seq) return;
    const from = head.seq + 1 + Math.floor(share * (before.seq - head.seq - 0.001));
    const records = await replay(this.#log, { kind: this.#kind, shipper, from }, () => {});
    const { seq, startSeq, delivered, dropped, lost, gone } = this.#log
      .stream(this.#kind)
      .cursors.get(shipper)!;
    const after = { seq, startSeq, delivered, dropped, lost };
    // In front of a hole, and in front of nothing else than was asked for.
    assert.ok(
      numbers(seq + 1, from - 1).every((n) => this.#gone[n] !== undefined),
      `${from} begins at ${seq}`,
    );
    const back = numbers(seq + 1, before.seq).filter((n) => this.#gone[n] === undefined);
    assert.is(records, back.length, 'the records that are there');
    const sumOf = (one: CursorModel) => one.delivered + one.dropped + one.lost;
    assert.is(sumOf(before) - sumOf(after), records, 'they are counted out, and nothing else');
    assert.ok(dropped >= before.dropped && lost >= before.lost && delivered >= 0);
    // What a repair goes by: what is gone in front of a cursor, and what is behind it.
    const behind = numbers(seq + 1, this.lastSeq).filter((n) => this.#gone[n] !== undefined);
    assert.is(
      seq - startSeq,
      delivered + dropped + lost - behind.length,
      'the counts in front of the cursor',
    );
    for (const reason of ['size', 'age', 'corrupt'] as const) {
      const holes = behind.filter((n) => this.#gone[n] === reason).length;
      assert.ok((gone[reason] ?? 0) >= holes, `what is gone behind the cursor is counted so: ${reason}`);
    }
    this.#cursors.set(shipper, after);
    this.#replays.set(shipper, (this.#replays.get(shipper) ?? 0) + 1);
  }

  /** The batch was given up. */
  abort(shipper: string): void {
    if (this.#inFlight.delete(shipper)) this.#log.claims.sent(this.#kind, shipper);
  }

  /** Evicts the oldest, a share of all that there ever were by the time of their appends. */
  async evict(share: number): Promise<void> {
    const { clock } = this.#opened;
    const before = this.#began + (clock.now() - this.#began) * share + 1;
    const rehearsed = await evictOlder(new Rehearsal(this.#log), this.#kind, before, true);
    const evictions = await evictOlder(this.#log, this.#kind, before, true);
    assert.equal(rehearsed, evictions, 'what would go is what goes');
    this.#take(evictions);
  }

  async evictToBytes(share: number): Promise<void> {
    const bytesMax = Math.floor(storedBytes(this.#log.stream(this.#kind)) * share);
    const evict = async (log: Evictable) => {
      const evictions: Eviction[] = [];
      const take = (eviction: Eviction) => void evictions.push(eviction);
      await evictToBounds(log, () => 'drop-oldest', { bytesMax }, 'size', take);
      return evictions;
    };
    const rehearsed = await evict(new Rehearsal(this.#log));
    const evictions = await evict(this.#log);
    assert.equal(rehearsed, evictions, 'what would go is what goes');
    this.#take(evictions);
    // What is in flight stays, and nothing else.
    if (this.#inFlight.size === 0) assert.ok(storedBytes(this.#log.stream(this.#kind)) <= bytesMax);
  }

  /** Changes a bit of an entry that nobody holds; never of the last one, which the log needs to open. */
  async damage(at: number): Promise<void> {
    const rows = await this.#rows();
    const [key, value] = rows[at % Math.max(1, rows.length - 1)] ?? [];
    const entry = key && value && decodeEntry(this.#kind, key, value);
    if (!entry || rows.length < 2 || entry.lastSeq <= lowestCursor(this.#log.stream(this.#kind))) return;
    const held = [...this.#inFlight.values()].flat();
    if (held.some(({ from, to }) => from <= entry.lastSeq && entry.firstSeq <= to)) return;
    await this.#log.store.commit(new Map([[key, flipped(value, at % (value.length * 8))]]));
  }

  async forget(shipper: string): Promise<void> {
    if (this.#cursors.size < 2 || this.#inFlight.has(shipper) || !this.#cursors.has(shipper)) return;
    await this.#log.change((draft) => forget(draft, this.#kind, shipper));
    this.#cursors.delete(shipper);
    this.#replays.delete(shipper);
  }

  async addCursor(shipper: string): Promise<void> {
    if (this.#cursors.has(shipper)) return;
    await this.#log.trimmer.idle();
    const { head } = this.#log.stream(this.#kind);
    await this.#log.change((draft) => addCursor(draft, this.#kind, shipper, 0));
    const cursor = newCursor(head.seq);
    for (let seq = head.seq + 1; seq <= this.lastSeq; seq++) countGone(cursor, this.#gone[seq]);
    this.#cursors.set(shipper, cursor);
  }

  keep(bytes: number): void {
    this.#log.trimmer.keepDelivered(this.#kind, bytes);
  }

  async reopen(): Promise<void> {
    for (const shipper of this.#inFlight.keys()) this.abort(shipper);
    await this.#opened.reopen();
  }

  /** Everything that must hold between any two steps. */
  async check(): Promise<void> {
    await this.#log.trimmer.idle();
    const stream = this.#log.stream(this.#kind);
    const rows = await this.#rows();
    const onDisk = new Set<number>();
    for (const [key, value] of rows) {
      const entry = decodeEntry(this.#kind, key, value);
      if (entry) for (const seq of numbers(entry.firstSeq, entry.lastSeq)) onDisk.add(seq);
    }
    const sizes = rows.map(([key, value]) => ({ lastSeq: seqOfKey(key), size: key.length + value.length }));
    const bytesAfter = (seq: number) =>
      sizes.reduce((sum, { lastSeq, size }) => sum + (lastSeq > seq ? size : 0), 0);
    assert.is(stream.lastSeq, this.lastSeq);
    assert.is(storedBytes(stream), bytesAfter(0), 'stored bytes are those of the entries on disk');
    assert.equal([...stream.cursors.keys()].toSorted(), [...this.#cursors.keys()].toSorted());
    for (const [name, cursor] of stream.cursors) {
      const { seq, startSeq, delivered, dropped, lost } = cursor;
      assert.equal({ seq, startSeq, delivered, dropped, lost }, this.#cursors.get(name), `ledger of ${name}`);
      assert.is(backlogBytes(stream, cursor), bytesAfter(seq), `backlog bytes of ${name}`);
      const there = numbers(seq + 1, this.lastSeq).filter((n) => this.#gone[n] === undefined);
      assert.is(backlogOf(cursor, stream.lastSeq), there.length, `backlog of ${name}`);
    }
    for (const seq of onDisk) assert.is(this.#gone[seq], undefined, `${seq} is gone and on disk`);
    const loaded = (await loadStreams(this.#log.store)).get(this.#kind);
    assert.equal(loaded, { ...stream }, 'a reopened log stands where this one stands');
  }

  /** No entry is damaged any more: all that `verify` looks at must be right. */
  async checkVerified(): Promise<void> {
    const report = await verifyLog(this.#log.store);
    const damaged = await this.#damaged();
    assert.equal(
      report.problems.filter(({ what }) => damaged === 0 || !/checksum|missing|add up/.test(what)),
      [],
    );
  }

  async #damaged(): Promise<number> {
    const rows = await this.#rows();
    return rows.filter(([key, value]) => !decodeEntry(this.#kind, key, value)).length;
  }

  async #rows(): Promise<[string, Buffer][]> {
    const rows: [string, Buffer][] = [];
    for await (const row of rowsOf(this.#log.store, sectionRange('entry', this.#kind))) rows.push(row);
    return rows;
  }

  /** The steps lead on from the cursor without a hole, over what is there and what is gone. */
  #check(steps: readonly Step[], after: number): void {
    let next = after + 1;
    for (const step of steps) {
      assert.is(step.from, next);
      for (const seq of numbers(step.from, step.to)) {
        assert.is(
          this.#gone[seq],
          step.is === 'notice' ? step.gap.reason : undefined,
          `${step.is} at ${seq}`,
        );
      }
      next = step.to + 1;
    }
  }

  #take(evictions: readonly Eviction[]): void {
    for (const { from, to, reason } of evictions) {
      for (const held of this.#inFlight.values()) {
        assert.not(held[0]!.from <= to && from <= held.at(-1)!.to, 'what is in flight is not evicted');
      }
      for (const seq of numbers(from, to)) {
        assert.is(this.#gone[seq], undefined, `${seq} goes twice`);
        this.#gone[seq] = reason;
        for (const cursor of this.#cursors.values()) if (cursor.seq < seq) countGone(cursor, reason);
      }
    }
  }
}

function newCursor(seq: number): CursorModel {
  return { seq, startSeq: seq, delivered: 0, dropped: 0, lost: 0 };
}

function countGone(cursor: CursorModel, reason: GapReason | undefined): void {
  if (reason === 'corrupt') cursor.lost++;
  else if (reason !== undefined) cursor.dropped++;
}
