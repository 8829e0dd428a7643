// The ledger under fire: two shippers with slow, forgetful and choosy destinations, while records come and are
// evicted. Whatever the order of things, every record is accounted for once, and told to each destination once.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireLine } from '../../lib/records.js';
import type { Receipt } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import type { Deferred, Sent } from '../helpers/sink.js';
import { Archive, TestSink, deferred } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal, OpenWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/ledger');

/** The same sequences every time, unless another seed is asked for. */
const SEED = Number(process.env['WAL_SEED'] ?? 1);

/** How a destination answers: `lost` is one that took the batch, and whose answer never arrived. */
type Answer = 'takes' | 'lost' | 'fails' | 'unproven' | 'too-large' | 'refuses' | 'rejects';

const NAMES = ['one', 'two'] as const;
type Name = (typeof NAMES)[number];

/** A destination whose answers wait for the test. */
class Destination {
  readonly archive = new Archive();
  readonly sink: TestSink;
  /** The highest seq that it ever stored, whether the log knows it or not. */
  storedTo = 0;
  /** The highest seq that was sent since the last restart: a running shipper holds it. */
  sentTo = 0;
  #open: { sent: Sent; answer: Deferred<Receipt> } | undefined;
  #closed = false;

  constructor(name: string) {
    this.sink = new TestSink((sent) => this.#arrived(sent), { name });
  }

  async #arrived(sent: Sent): Promise<Receipt> {
    this.sentTo = Math.max(this.sentTo, sent.batch.lastSeq);
    if (this.#closed) return this.#store(sent);
    const answer = deferred<Receipt>();
    this.#open = { sent, answer };
    sent.context.signal.addEventListener('abort', () => {
      this.#open = undefined;
      answer.reject(new Error('aborted'));
    });
    return await answer.promise;
  }

  answer(how: Answer): void {
    if (!this.#open) return;
    const { sent, answer } = this.#open;
    this.#open = undefined;
    if (how === 'takes') answer.resolve(this.#store(sent));
    else if (how === 'rejects') answer.resolve(this.#reject(sent));
    else if (how === 'unproven') answer.resolve({ accepted: sent.batch.count + 1 });
    else if (how === 'too-large' || how === 'refuses') {
      // A line that is refused alone comes, or its notice does, behind those that are sent for evidence.
      if (sent.batch.count === 1) this.archive.refused.add(sent.batch.lastSeq);
      answer.reject(new SinkError(how === 'refuses' ? 'refused' : how, 'not this'));
    } else {
      if (how === 'lost') this.#store(sent);
      answer.reject(new SinkError('outage', 'no answer'));
    }
  }

  /** From now on it takes everything at once. */
  open(): void {
    this.#closed = true;
    this.answer('takes');
  }

  #store({ lines }: Sent): Receipt {
    this.storedTo = Math.max(this.storedTo, ...lines.map(({ seq }) => seq));
    // What it was told is put aside it does not want as a record any more.
    const wanted = lines.filter((line) => !this.#isPutAside(line));
    const { accepted, duplicates = 0 } = this.archive.store(wanted);
    return { accepted, duplicates: duplicates + lines.length - wanted.length };
  }

  #reject(sent: Sent): Receipt {
    const { lines } = sent;
    const bad = lines.find(
      (line) => 'record' in line && !this.archive.lines.has(line.id) && !this.#isPutAside(line),
    );
    const others = lines.filter((line) => line !== bad);
    if (!bad || !others.some((line) => 'record' in line)) return this.#store(sent);
    this.archive.refused.add(bad.seq);
    const { accepted, duplicates = 0 } = this.#store({ ...sent, lines: others });
    return { accepted, duplicates, rejected: [{ id: bad.id, reason: 'not this one' }] };
  }

  #isPutAside(line: WireLine): boolean {
    return 'record' in line && this.notices('quarantined').includes(line.seq);
  }

  /** The seqs under notices for a reason, or for any but one. */
  notices(reason: string, not = false): number[] {
    return [...this.archive.lines.values()].flatMap((line) => {
      if (!('gap' in line) || (line.gap.reason === reason) === not) return [];
      return Array.from({ length: line.gap.to - line.gap.from + 1 }, (_, n) => line.gap.from + n);
    });
  }
}

/** One run: the log, its destinations, and everything that was begun and not awaited. */
class Schedule {
  readonly #opened: OpenWal;
  readonly #destinations = new Map(NAMES.map((name) => [name, new Destination(name)] as const));
  readonly #begun: Promise<unknown>[] = [];
  #n = 0;

  constructor(opened: OpenWal) {
    this.#opened = opened;
    for (const name of NAMES) this.ship(name);
  }

  get #wal(): AnyWal {
    return this.#opened.wal;
  }

  append(count: number): void {
    const records = Array.from({ length: count }, () => ({ n: ++this.#n, text: 'x'.repeat(this.#n % 60) }));
    this.#begun.push(this.#wal.appendMany('log', records));
  }

  evict(maxBytes: number): void {
    // What a destination stored before a restart, and nobody was told of, may be evicted before it is sent again.
    const { shippers } = this.#wal.stats().streams['log']!;
    for (const [name, { storedTo, sentTo }] of this.#destinations) {
      if (storedTo > Math.max(sentTo, shippers[name]!.seq)) return;
    }
    this.#begun.push(this.#wal.evict({ kind: 'log', maxBytes }));
  }

  answer(name: Name, how: Answer): void {
    this.#destinations.get(name)!.answer(how);
  }

  ship(name: Name): void {
    const { sink } = this.#destinations.get(name)!;
    this.#wal.ship('log', sink, { name, lingerMs: 0, batchMax: 16 });
  }

  async restart(): Promise<void> {
    await Promise.all(this.#begun.splice(0));
    await this.#opened.reopen();
    for (const destination of this.#destinations.values()) destination.sentTo = 0;
    for (const name of NAMES) this.ship(name);
  }

  async pass(count: number): Promise<void> {
    await turns(count);
    this.#opened.clock.advance(60_000);
    this.check();
  }

  check(): void {
    for (const [name, cursor] of Object.entries(this.#wal.stats().streams['log']!.shippers)) {
      const { startSeq, backlogRecords, delivered, dropped, quarantined, lost } = cursor;
      const { lastSeq } = this.#wal.stats().streams['log']!;
      assert.is(delivered + dropped + quarantined + lost + backlogRecords, lastSeq - startSeq, name);
      assert.ok(Math.min(backlogRecords, delivered, dropped, quarantined) >= 0 && lost === 0, name);
    }
    for (const { archive } of this.#destinations.values()) assert.equal(archive.faults, []);
  }

  async finish(): Promise<void> {
    await Promise.all(this.#begun.splice(0));
    for (const destination of this.#destinations.values()) destination.open();
    const stats = () => this.#wal.stats().streams['log']!;
    await until(() => {
      this.#opened.clock.advance(300_000);
      return NAMES.every((name) => stats().shippers[name]!.seq === stats().lastSeq);
    }, 'all is delivered');
    this.check();
    assert.is(stats().lastSeq, this.#n);
    for (const [name, destination] of this.#destinations) {
      const { delivered, dropped, quarantined } = stats().shippers[name]!;
      assert.equal(destination.archive.missing(this.#n), [], name);
      assert.is(
        dropped,
        destination.notices('quarantined', true).length,
        `${name} was told what was dropped`,
      );
      // Together: what it was told is put aside may come again as a record, when a restart comes in between.
      const settled = destination.archive.records + destination.notices('quarantined').length;
      assert.is(delivered + quarantined, settled, `${name} has what counts as delivered`);
    }
    const report = await this.#wal.verify();
    assert.equal(report.problems, []);
  }
}

type Step =
  | { do: 'append'; count: number }
  | { do: 'evict'; maxBytes: number }
  | { do: 'answer'; name: Name; how: Answer }
  | { do: 'pass'; count: number }
  | { do: 'restart' };

async function take(schedule: Schedule, step: Step): Promise<void> {
  switch (step.do) {
    case 'append':
      return schedule.append(step.count);
    case 'evict':
      return schedule.evict(step.maxBytes);
    case 'answer':
      return schedule.answer(step.name, step.how);
    case 'pass':
      return await schedule.pass(step.count);
    case 'restart':
      return await schedule.restart();
    default:
      return step satisfies never;
  }
}

const how = fc.constantFrom<Answer>(
  'takes',
  'takes',
  'takes',
  'lost',
  'fails',
  'unproven',
  'too-large',
  'refuses',
  'rejects',
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append'), count: fc.integer({ min: 1, max: 40 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('evict'), maxBytes: fc.integer({ min: 0, max: 4_000 }) }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer'), name: fc.constantFrom(...NAMES), how }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass'), count: fc.integer({ min: 0, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart') }) },
);

it('every record is delivered, dropped or put aside once, whatever comes in between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (sequence) => {
      await withWal({ streams: { log: { shippers: [...NAMES] } } }, async (_, opened) => {
        const schedule = new Schedule(opened);
        for (const next of sequence) await take(schedule, next);
        await schedule.finish();
      });
    }),
    { numRuns: 15, seed: SEED, endOnFailure: true, includeErrorInReport: true },
  );
});

it.run();
