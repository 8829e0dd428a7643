// The seven promises of a log, stated over plain arrays: what was acknowledged, and what each receiver has. Knows
// nothing of how a log keeps them.

import * as assert from 'uvu/assert';
import type { ReadItem } from '../../lib/reading.js';
import type { GapReason, WireLine } from '../../lib/records.js';
import type { WalStats } from '../../lib/stats.js';
import type { VerifyReport } from '../../lib/log/verify.js';

/** What a kind's records may be gone for; `reject` streams give nothing up. */
const MAY_GO: Record<string, readonly GapReason[]> = { log: ['size', 'age', 'disk-full'], audit: [] };

interface Record_ {
  id: string;
  seq: number;
  n: number;
}

/** Everything that a log shows of itself. */
export interface Picture {
  stats: WalStats;
  /** By kind: all that is there. */
  items: Record<string, ReadItem[]>;
  report: VerifyReport;
}

export class Model {
  /** By kind: what was acknowledged. */
  readonly #acknowledged = new Map<string, Record_[]>();
  /** By `<kind>/<shipper>`: every line that arrived and was accepted, or refused for good. */
  readonly #arrived = new Map<string, WireLine[]>();
  /** By id: the record's number. Whoever has seen it, it is the same for ever. */
  readonly #numbers = new Map<string, number>();
  /** Something on the disk was damaged: records may be lost, and are then told of. */
  isDamaged = false;

  acknowledge(kind: string, id: string, seq: number, n: number): void {
    const records = this.#acknowledged.get(kind) ?? [];
    assert.ok(
      seq > (records.at(-1)?.seq ?? 0),
      `${kind} ${seq} is acknowledged after ${records.at(-1)?.seq}`,
    );
    this.#acknowledged.set(kind, [...records, { id, seq, n }]);
    this.#see(id, n);
  }

  /** Lines that a receiver has taken, or refused for good: those are evidence, too. */
  arrive(cursor: string, lines: readonly WireLine[]): void {
    const arrived = this.#arrived.get(cursor) ?? [];
    for (const line of lines) {
      const end = arrived.reduce((most, { seq }) => Math.max(most, seq), 0);
      const from = 'gap' in line ? line.gap.from : line.seq;
      // Promise 5: a receiver can prove that it has everything. What it has may come again, a hole may not.
      assert.ok(from <= end + 1, `${line.id} arrives at ${cursor} after ${end}`);
      if ('record' in line) this.#see(line.id, Number(line.record['n']));
      arrived.push(line);
    }
    this.#arrived.set(cursor, arrived);
  }

  /** A record's id and content never change. */
  #see(id: string, n: number): void {
    assert.is(this.#numbers.get(id) ?? n, n, `the record of ${id}`);
    this.#numbers.set(id, n);
  }

  /** Asserts all that must hold at any time. */
  check({ stats, items, report }: Picture): void {
    assert.equal(report.problems, [], 'promise 2: verify finds nothing');
    for (const [kind, stream] of Object.entries(stats.streams)) {
      const here = items[kind] ?? [];
      this.#checkItems(kind, here);
      for (const [name, cursor] of Object.entries(stream.shippers)) {
        const { seq, startSeq, backlogRecords, delivered, dropped, quarantined, lost } = cursor;
        const sum = delivered + dropped + quarantined + lost + backlogRecords;
        assert.is(stream.lastSeq - startSeq, sum, `promise 2: the ledger of ${kind}/${name}`);
        if (kind === 'audit') assert.is(dropped, 0, 'promise 4: audit never drops');
        if (!this.isDamaged) assert.is(lost, 0, 'promise 1: nothing is lost on a sound disk');
        this.#checkCursor(`${kind}/${name}`, seq, stream.lastSeq, here);
      }
      for (const { id, seq } of this.#acknowledged.get(kind) ?? []) {
        assert.ok(
          seq <= stream.lastSeq,
          `promise 1: ${id} is durable, and ${kind} ends at ${stream.lastSeq}`,
        );
      }
    }
  }

  /** Promise 7: what a cursor has passed has arrived; what it has not is here, as a record or under a notice. */
  #checkCursor(cursor: string, seq: number, lastSeq: number, items: readonly ReadItem[]): void {
    const has = new Set(seqsOf(this.#arrived.get(cursor) ?? []));
    for (let n = 1; n <= seq; n++) assert.ok(has.has(n), `promise 7: ${cursor} has passed ${n}`);
    const here = new Set(seqsOf(items));
    for (let n = seq + 1; n <= lastSeq; n++) assert.ok(here.has(n), `promise 5: ${n} is there for ${cursor}`);
  }

  #checkItems(kind: string, items: readonly ReadItem[]): void {
    const byId = new Map((this.#acknowledged.get(kind) ?? []).map((record) => [record.seq, record]));
    for (const item of items) {
      if ('gap' in item) {
        const isAllowed =
          MAY_GO[kind]!.includes(item.gap.reason) || (this.isDamaged && item.gap.reason === 'corrupt');
        assert.ok(
          isAllowed,
          `promise 4: ${kind} ${item.gap.from} to ${item.gap.to} are gone: ${item.gap.reason}`,
        );
        continue;
      }
      this.#see(item.id, (item.record as { n: number }).n);
      const acknowledged = byId.get(item.seq);
      if (acknowledged) assert.is(item.id, acknowledged.id, `promise 1: the record at ${kind} ${item.seq}`);
    }
  }

  /** Asserts what must hold once everything was delivered: every receiver has every seq, from the first on. */
  checkDelivered({ streams }: WalStats): void {
    for (const [kind, { shippers, lastSeq }] of Object.entries(streams)) {
      for (const name of Object.keys(shippers)) {
        const has = new Set(seqsOf(this.#arrived.get(`${kind}/${name}`) ?? []));
        for (let n = 1; n <= lastSeq; n++) assert.ok(has.has(n), `promise 5: ${kind}/${name} has ${n}`);
      }
    }
  }
}

function seqsOf(items: readonly (WireLine | ReadItem)[]): number[] {
  return items.flatMap((item) => {
    const from = 'gap' in item ? item.gap.from : item.seq;
    return Array.from({ length: item.seq - from + 1 }, (_, n) => from + n);
  });
}
