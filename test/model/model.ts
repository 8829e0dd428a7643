// The seven promises of a log (DESIGN section 1), stated over plain arrays, maps and sets: what was acknowledged or
// refused, and what each receiver has. Knows nothing of how a log keeps them.

import * as assert from 'uvu/assert';
import type { ReadItem } from '../../lib/passage.js';
import type { GapReason, WireLine } from '../../lib/records.js';
import type { ShipperStats, WalStats } from '../../lib/stats.js';
import type { VerifyReport } from '../../lib/log/verify.js';

/** Bytes that all streams together may hold: the least that a log can be bounded to. */
export const MAX_BYTES = 1_048_576;
/** Bytes that the log stream may hold. */
export const LOG_BYTES = 65_536;

/** What a kind's records may be gone for on a sound disk; `reject` streams give nothing up. */
const MAY_GO: Readonly<Record<string, readonly GapReason[]>> = {
  log: ['size', 'age', 'disk-full'],
  audit: [],
};

/** How the ledger counts a record. */
const FATES = ['delivered', 'dropped', 'quarantined', 'lost'] as const;
type Fate = (typeof FATES)[number];

/** Everything that a log shows of itself while it is quiet. */
export interface Picture {
  stats: WalStats;
  /** By kind: all that is there. */
  items: Readonly<Record<string, readonly ReadItem[]>>;
  report: VerifyReport;
}

/** What one receiver has: for each seq, all the ways in which it was told of it. */
class Receiver {
  readonly fates = new Map<number, Set<Fate>>();
  /** The last seq that it was told of. */
  end = 0;

  tell(seq: number, fate: Fate): void {
    const told = this.fates.get(seq) ?? new Set();
    this.fates.set(seq, told.add(fate));
    this.end = Math.max(this.end, seq);
  }
}

export class Model {
  /** By kind: the seqs that were acknowledged, in their order. */
  readonly #acknowledged = new Map<string, number[]>();
  /** By `<kind>/<shipper>`. */
  readonly #receivers = new Map<string, Receiver>();
  /** By `<kind> <seq>`: the id that was seen there, by whomever. */
  readonly #ids = new Map<string, string>();
  /** By id: the record; and back. */
  readonly #records = new Map<string, string>();
  readonly #idOfRecord = new Map<string, string>();
  /** Records whose callers were told that they were not accepted. */
  readonly #refused = new Set<string>();
  /** By kind: the seqs that damage has taken. */
  readonly #lost = new Map<string, Set<number>>();
  /** By kind, and by `<kind>/<shipper>`: where the log and its cursors were when last seen. */
  readonly #ends = new Map<string, number>();
  #damage: 'none' | 'just now' | 'before' = 'none';

  acknowledge(kind: string, id: string, seq: number, record: object): void {
    const seqs = this.#acknowledged.get(kind) ?? [];
    const last = seqs.at(-1) ?? 0;
    assert.ok(seq > last, `${kind} ${seq} is acknowledged after ${last}`);
    this.#acknowledged.set(kind, [...seqs, seq]);
    this.#see(kind, seq, id, record);
  }

  /** `WAL_FULL` or `WAL_CLOSED`: the record was not accepted, so nobody will ever see it. */
  refuse(record: object): void {
    this.#refused.add(JSON.stringify(record));
  }

  /** Lines that a receiver was sent and answered for; `rejected`: the ids of those that it refused alone. */
  arrive(cursor: string, lines: readonly WireLine[], rejected: ReadonlySet<string>): void {
    const receiver = this.#receiverOf(cursor);
    for (const line of lines) {
      const from = 'gap' in line ? line.gap.from : line.seq;
      // What it has may come again. A hole may not.
      assert.ok(from <= receiver.end + 1, `promise 5: ${cursor} gets ${line.id} after ${receiver.end}`);
      if ('gap' in line) {
        this.#checkGap(line.kind, line.gap.reason, line.id, ['quarantined']);
        for (let seq = from; seq <= line.seq; seq++) receiver.tell(seq, fateOf(line.gap.reason));
      } else {
        this.#see(line.kind, line.seq, line.id, line.record);
        receiver.tell(line.seq, rejected.has(line.id) ? 'quarantined' : 'delivered');
      }
    }
  }

  /** A cursor is moved back: what its receiver was told of, it will be told of again. */
  replay(cursor: string): void {
    this.#ends.delete(cursor);
  }

  /** Something on the disk was damaged just now: records may be lost by it, and are then told of. */
  damage(): void {
    this.#damage = 'just now';
  }

  /** Asserts all that must hold at any quiet moment. */
  check({ stats, items, report }: Picture): void {
    assert.equal(report.problems, [], 'promise 2: verify finds nothing');
    this.#checkBounds(stats);
    for (const [kind, { lastSeq, shippers }] of Object.entries(stats.streams)) {
      const here = items[kind] ?? [];
      this.#checkItems(kind, here);
      this.#checkLost(kind, here);
      const last = this.#acknowledged.get(kind)?.at(-1) ?? 0;
      assert.ok(
        last <= lastSeq,
        `promise 1: ${kind} ${last} was acknowledged, and ${kind} ends at ${lastSeq}`,
      );
      this.#checkEnd(kind, lastSeq);
      for (const [name, cursor] of Object.entries(shippers)) {
        this.#checkCursor(`${kind}/${name}`, cursor, lastSeq, here);
      }
    }
    if (this.#damage === 'just now') this.#damage = 'before';
  }

  /** Asserts what must hold once everything was delivered: every receiver has every seq, from the first on. */
  checkDelivered({ streams }: WalStats): void {
    for (const [kind, { shippers, lastSeq }] of Object.entries(streams)) {
      for (const [name, { seq, backlogRecords }] of Object.entries(shippers)) {
        const cursor = `${kind}/${name}`;
        const { fates } = this.#receiverOf(cursor);
        for (let n = 1; n <= lastSeq; n++) assert.ok(fates.has(n), `promise 5: ${cursor} was told of ${n}`);
        assert.is(seq, lastSeq, `${cursor} is at the end`);
        assert.is(backlogRecords, 0, `${cursor} has no backlog`);
      }
    }
  }

  /** Promise 1, and identity: a seq's id and an id's record are the same for ever, and no record comes twice. */
  #see(kind: string, seq: number, id: string, record: object): void {
    const text = JSON.stringify(record);
    const place = `${kind} ${seq}`;
    assert.is(this.#ids.get(place) ?? id, id, `promise 1: the record at ${place}`);
    assert.is(this.#records.get(id) ?? text, text, `promise 1: the content of ${id}`);
    assert.is(this.#idOfRecord.get(text) ?? id, id, `a record is there once: ${text.slice(0, 40)}`);
    assert.not(this.#refused.has(text), `${id} was refused, and is there`);
    this.#ids.set(place, id);
    this.#records.set(id, text);
    this.#idOfRecord.set(text, id);
  }

  /** Promise 3. */
  #checkBounds({ streams }: WalStats): void {
    const stored = Object.values(streams).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    assert.ok(stored <= MAX_BYTES, `promise 3: bounded; ${stored} bytes are stored`);
    const log = streams['log']?.storedBytes ?? 0;
    assert.ok(log <= LOG_BYTES, `promise 3: bounded; 'log' holds ${log} bytes`);
  }

  #checkItems(kind: string, items: readonly ReadItem[]): void {
    let end: number | undefined;
    for (const item of items) {
      const from = firstSeqOf(item);
      assert.is(from, end === undefined ? from : end + 1, `promise 5: what follows ${kind} ${end}`);
      end = item.seq;
      if ('gap' in item) this.#checkGap(kind, item.gap.reason, item.id);
      else this.#see(kind, item.seq, item.id, item.record);
    }
  }

  /** Promise 4. */
  #checkGap(kind: string, reason: GapReason, id: string, also: readonly GapReason[] = []): void {
    const isDamage = reason === 'corrupt' && this.#damage !== 'none';
    const isAllowed = isDamage || MAY_GO[kind]?.includes(reason) || also.includes(reason);
    assert.ok(isAllowed, `promise 4: ${id} is gone: ${reason}`);
  }

  /** What damage may take, it takes at once: a record that outlived the first look after it is never lost to it. */
  #checkLost(kind: string, items: readonly ReadItem[]): void {
    const lost = this.#lost.get(kind) ?? new Set();
    this.#lost.set(kind, lost);
    for (const item of items) {
      if (!('gap' in item) || item.gap.reason !== 'corrupt') continue;
      for (const seq of seqsOf(item)) {
        const isKnown = this.#damage === 'just now' || lost.has(seq);
        assert.ok(isKnown, `promise 1: ${kind} ${seq} is lost, and nothing was damaged since it was there`);
        lost.add(seq);
      }
    }
  }

  /** Positions only move on; damage may move a cursor back, to where it is sure. */
  #checkEnd(what: string, seq: number): void {
    const before = this.#ends.get(what) ?? 0;
    assert.ok(seq >= before || this.#damage !== 'none', `${what} goes back from ${before} to ${seq}`);
    this.#ends.set(what, seq);
  }

  #checkCursor(cursor: string, stats: ShipperStats, lastSeq: number, items: readonly ReadItem[]): void {
    const { seq, startSeq, backlogRecords } = stats;
    const sum = FATES.reduce((all, fate) => all + stats[fate], backlogRecords);
    assert.is(lastSeq - startSeq, sum, `promise 2: the ledger of ${cursor}`);
    this.#checkEnd(cursor, seq);
    const { fates } = this.#receiverOf(cursor);
    for (let n = startSeq + 1; n <= seq; n++) {
      assert.ok(fates.has(n), `promise 7: ${cursor} has passed ${n}, which its receiver was told of`);
    }
    const here = new Map(items.flatMap((item) => seqsOf(item).map((n) => [n, item] as const)));
    let backlog = 0;
    for (let n = Math.max(seq, startSeq) + 1; n <= lastSeq; n++) {
      const item = here.get(n);
      assert.ok(item, `promise 5: ${n} is there for ${cursor}, as a record or under a notice`);
      if (!('gap' in item)) backlog++;
    }
    assert.is(backlogRecords, backlog, `promise 2: the backlog of ${cursor} is what is there`);
    if (this.#damage !== 'none') return;
    for (const fate of FATES) this.#checkCount(cursor, fate, stats, lastSeq, here);
  }

  /**
   * Promise 2: the ledger counts what happened, not only what adds up. What a receiver was told of in one way only is
   * counted so; what was told again in another way (a crash before the acknowledgement, say), in one of the two.
   */
  #checkCount(
    cursor: string,
    fate: Fate,
    stats: ShipperStats,
    lastSeq: number,
    here: ReadonlyMap<number, ReadItem>,
  ): void {
    const { fates } = this.#receiverOf(cursor);
    let [least, most] = [0, 0];
    for (let n = stats.startSeq + 1; n <= lastSeq; n++) {
      const item = here.get(n);
      const gone = item && 'gap' in item ? new Set([fateOf(item.gap.reason)]) : new Set<Fate>();
      const told = n <= stats.seq ? (fates.get(n) ?? new Set()) : gone;
      if (!told.has(fate)) continue;
      most++;
      if (told.size === 1) least++;
    }
    const counted = stats[fate];
    const isRight = counted >= least && counted <= most;
    assert.ok(isRight, `promise 2: ${cursor} counts ${counted} ${fate}, where ${least} to ${most} are`);
  }

  #receiverOf(cursor: string): Receiver {
    const receiver = this.#receivers.get(cursor) ?? new Receiver();
    this.#receivers.set(cursor, receiver);
    return receiver;
  }
}

function fateOf(reason: GapReason): Fate {
  if (reason === 'quarantined') return 'quarantined';
  return reason === 'corrupt' ? 'lost' : 'dropped';
}

function firstSeqOf(item: ReadItem): number {
  return 'gap' in item ? item.gap.from : item.seq;
}

function seqsOf(item: ReadItem): number[] {
  const from = firstSeqOf(item);
  return Array.from({ length: item.seq - from + 1 }, (_, n) => from + n);
}
