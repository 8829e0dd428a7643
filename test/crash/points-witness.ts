// What was promised before a crash, and whether a log that is opened after it keeps all of it.
//
// A service says a line for each promise, before it goes on:
//   ack <kind> <seq> <id> <number>     the append of this record has resolved
//   got <kind>/<shipper> <wire line>   the receiver has this line, and will have answered so
// and `done` when it ended by itself.

import { crc32 } from 'node:zlib';
import * as assert from 'uvu/assert';
import type { WalEvent } from '../../lib/events.js';
import type { ReadItem } from '../../lib/passage.js';
import type { GapReason, WireLine } from '../../lib/records.js';
import type { Sink } from '../../lib/ship/sink.js';
import type { Wal } from '../../lib/wal.js';

/** A record whose content follows from its number, so that one that changed shows. */
export function recordOf(number: string): { n: string; text: string } {
  const sum = crc32(number);
  const length = sum % 8 === 0 ? sum % 6000 : sum % 300;
  return {
    n: number,
    text: sum
      .toString(36)
      .repeat(Math.ceil(length / 6))
      .slice(0, length),
  };
}

/** A receiver that is idempotent by id, and that keeps account of what it has. */
export class Receiver {
  /** By id: the line as it came first. */
  readonly #lines: Map<string, string>;
  /** All up to here has arrived, as records or under notices. */
  lastSeq: number;

  constructor(as?: Receiver) {
    this.#lines = new Map(as ? as.#lines : []);
    this.lastSeq = as ? as.lastSeq : 0;
  }

  get count(): number {
    return this.#lines.size;
  }

  /**
   * What came before may come again, and records that came may stand under a notice later: a log that crashed
   * before the acknowledgement does not know of them, and may evict them. A hole may never come.
   */
  take(line: string): WireLine {
    const wire = JSON.parse(line) as WireLine;
    const before = this.#lines.get(wire.id);
    if (before !== undefined) {
      assert.ok('gap' in wire || line === before, `the same line arrives under ${wire.id}`);
      return wire;
    }
    const from = 'gap' in wire ? wire.gap.from : wire.seq;
    assert.ok(from <= this.lastSeq + 1, `${wire.id} arrives after ${this.lastSeq}: a hole`);
    this.#lines.set(wire.id, line);
    this.lastSeq = Math.max(this.lastSeq, wire.seq);
    return wire;
  }
}

interface Known {
  readonly kind: string;
  readonly seq: number;
  readonly number: string;
}

/** Reasons for which an acknowledged record of a `drop-oldest` stream may be gone. */
const MAY_GO: readonly GapReason[] = ['size', 'age', 'disk-full'];
const DROP_OLDEST = 'log';
/** How long a log may take to deliver the little that is in it. */
const DRAIN_MS = 20_000;

export class Witness {
  /** By id: every record that was acknowledged or arrived. */
  readonly #known: Map<string, Known>;
  /** By `<kind>:<seq>`: the id that this seq was given to. */
  readonly #ids: Map<string, string>;
  readonly #acknowledged: Set<string>;
  /** By `<kind>/<shipper>`. */
  readonly #receivers = new Map<string, Receiver>();
  #rest = '';
  isDone = false;

  constructor(as?: Witness) {
    this.#known = new Map(as ? as.#known : []);
    this.#ids = new Map(as ? as.#ids : []);
    this.#acknowledged = new Set(as ? as.#acknowledged : []);
    for (const [cursor, receiver] of as ? as.#receivers : [])
      this.#receivers.set(cursor, new Receiver(receiver));
  }

  /** What it learns from here on, this one does not. */
  copy(): Witness {
    return new Witness(this);
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  get delivered(): number {
    return [...this.#receivers.values()].reduce((sum, receiver) => sum + receiver.count, 0);
  }

  /** Takes what a service said, in pieces as they come. */
  hear(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#hearLine(line);
  }

  /** What was said only in part was not said: the service died over it. */
  hearNoMore(): void {
    this.#rest = '';
  }

  #hearLine(line: string): void {
    const [word, what = '', ...rest] = line.split(' ');
    if (word === 'ack') {
      const [seq, id, number] = rest;
      this.#learn(id!, { kind: what, seq: Number(seq), number: number! });
      this.#acknowledged.add(id!);
    } else if (word === 'got') {
      const [kind] = what.split('/');
      const wire = this.receiver(what).take(line.slice(word.length + what.length + 2));
      if ('record' in wire) this.#learnRecord(kind!, wire.id, wire.seq, wire.record);
    } else if (word === 'done') this.isDone = true;
    else throw new Error(`a service said: ${line.slice(0, 200)}`);
  }

  receiver(cursor: string): Receiver {
    const receiver = this.#receivers.get(cursor) ?? new Receiver();
    this.#receivers.set(cursor, receiver);
    return receiver;
  }

  #learnRecord(kind: string, id: string, seq: number, record: Record<string, unknown>): void {
    const number = String(record['n']);
    assert.is(record['text'], recordOf(number).text, `the content of ${id} is what was appended`);
    this.#learn(id, { kind, seq, number });
  }

  /** An id stands for one record for ever, and a seq that somebody knows of for one id. */
  #learn(id: string, known: Known): void {
    const before = this.#known.get(id);
    if (before) assert.equal(known, before, `the record of ${id}`);
    this.#known.set(id, known);
    const place = `${known.kind}:${known.seq}`;
    const other = this.#ids.get(place);
    if (other !== undefined) assert.is(id, other, `the id at ${place}`);
    this.#ids.set(place, id);
  }

  /**
   * Asserts that a log that was opened after the crash keeps what was promised: everything acknowledged is there,
   * unchanged, or has arrived, or stands under a notice that may be; every cursor has passed only what arrived;
   * nothing is lost; the ledger holds. `events`: what it told while it was opened.
   */
  async check(wal: Wal<Record<string, object>>, events: readonly WalEvent[]): Promise<void> {
    assert.equal(
      events.filter(({ type }) => type === 'lost'),
      [],
      'nothing is given up for lost',
    );
    const report = await wal.verify();
    assert.equal(report.problems, []);
    const { streams } = wal.stats();
    for (const [kind, { shippers, lastSeq }] of Object.entries(streams)) {
      const items: ReadItem[] = [];
      for await (const item of wal.read(kind)) items.push(item as ReadItem);
      const seqs = this.#checkItems(kind, items);
      for (const [name, cursor] of Object.entries(shippers)) {
        const { seq, startSeq, delivered, dropped, quarantined, lost, backlogRecords } = cursor;
        const sum = delivered + dropped + quarantined + lost + backlogRecords;
        assert.is(lastSeq - startSeq, sum, `the ledger of ${kind}/${name}`);
        assert.is(lost, 0, `nothing of ${kind}/${name} is lost`);
        const arrived = this.receiver(`${kind}/${name}`).lastSeq;
        assert.ok(seq <= arrived, `${kind}/${name} stands at ${seq}, and ${arrived} have arrived`);
        assert.ok(
          arrived <= lastSeq,
          `${arrived} of ${kind} have arrived, and the stream ends at ${lastSeq}`,
        );
        for (let next = seq + 1; next <= lastSeq; next++) {
          assert.ok(seqs.has(next), `${kind} ${next} is behind ${name}, at ${seq}, and there`);
        }
      }
    }
    this.#checkAcknowledged(streams);
  }

  /** Asserts that what is still in a log arrives: then every receiver has all, to the last seq. */
  async checkDrained(wal: Wal<Record<string, object>>): Promise<void> {
    for (const [kind, { shippers }] of Object.entries(wal.stats().streams)) {
      for (const name of Object.keys(shippers)) {
        const arrived = new AbortController();
        const sink = this.#sinkOf(kind, name, (error) => arrived.abort(error));
        const shipper = wal.ship(kind, sink, { name, lingerMs: 0 });
        const signal = AbortSignal.any([arrived.signal, AbortSignal.timeout(DRAIN_MS)]);
        await shipper.idle({ signal });
        await shipper.stop();
        const { lastSeq } = wal.stats().streams[kind]!;
        assert.is(this.receiver(`${kind}/${name}`).lastSeq, lastSeq, `${kind}/${name} has everything`);
      }
    }
  }

  /** What it hears and finds wrong would otherwise be tried again, for ever. */
  #sinkOf(kind: string, shipper: string, onWrong: (error: unknown) => void): Sink {
    return {
      name: `${kind}-${shipper}`,
      send: async (batch) => {
        const lines = String(await batch.lines())
          .split('\n')
          .slice(0, -1);
        try {
          for (const line of lines) this.hear(`got ${kind}/${shipper} ${line}\n`);
        } catch (error) {
          onWrong(error);
          throw error;
        }
        return { accepted: lines.length };
      },
    };
  }

  /** What a stream holds, by seq. */
  #checkItems(kind: string, items: readonly ReadItem[]): Set<number> {
    const seqs = new Set<number>();
    let next = items[0] && firstSeqOf(items[0]);
    for (const item of items) {
      assert.is(firstSeqOf(item), next, `${kind} goes on without a hole`);
      next = item.seq + 1;
      for (let seq = firstSeqOf(item); seq <= item.seq; seq++) seqs.add(seq);
      if ('record' in item) this.#learnRecord(kind, item.id, item.seq, item.record);
      else {
        const mayBe = kind === DROP_OLDEST && MAY_GO.includes(item.gap.reason);
        assert.ok(mayBe, `${kind} ${item.gap.from} to ${item.gap.to} are gone: ${item.gap.reason}`);
      }
    }
    return seqs;
  }

  /** Whatever was acknowledged lies between what cursors have passed and the end; `check` has seen both. */
  #checkAcknowledged(streams: Readonly<Record<string, { lastSeq: number }>>): void {
    for (const id of this.#acknowledged) {
      const { kind, seq } = this.#known.get(id)!;
      const lastSeq = streams[kind]?.lastSeq ?? 0;
      assert.ok(seq <= lastSeq, `${kind} ${seq} was acknowledged, and the stream ends at ${lastSeq}`);
    }
  }
}

function firstSeqOf(item: ReadItem): number {
  return 'gap' in item ? item.gap.from : item.seq;
}
