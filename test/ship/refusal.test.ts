// What happens to records that a destination refuses, and to the others: on a clock that the test moves.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Receipt } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import { rejectsWith } from '../helpers/rejection.js';
import type { Reply, Sent } from '../helpers/sink.js';
import { Archive, TestSink } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal, OpenWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/refusal');

const HOUR_MS = 3_600_000;

const append = (wal: AnyWal, count: number) =>
  wal.appendMany(
    'audit',
    Array.from({ length: count }, (_, n) => ({ n })),
  );

const cursorOf = (wal: AnyWal) => wal.stats().streams['audit']!.shippers['default']!;

/** Lets announced waits pass until `holds`; returns how much time that took. */
async function passWaits({ wal, clock }: OpenWal, holds: () => boolean): Promise<number> {
  const begun = clock.now();
  for (;;) {
    const waits = () => (cursorOf(wal).nextAttemptAt ?? 0) > clock.now() && clock.pending > 0;
    await until(() => holds() || waits());
    if (holds()) return clock.now() - begun;
    clock.advance(cursorOf(wal).nextAttemptAt! - clock.now());
    await turns(1);
  }
}

/** A destination that keeps what it takes, and refuses some records in one of the ways there are. */
class Choosy {
  readonly archive = new Archive();
  readonly sink = new TestSink((sent) => this.#reply(sent));
  /** Whether a record, by its seq, is refused. */
  refuses: (seq: number) => boolean;
  #how: Reply;

  constructor(refuses: (seq: number) => boolean, how: Reply = answering(400)) {
    this.refuses = refuses;
    this.#how = how;
  }

  get requests(): number {
    return this.sink.sent.length;
  }

  /** What it has, by seq. */
  get seqs(): number[] {
    const records = [...this.archive.lines.values()].filter((line) => 'record' in line);
    return records.map(({ seq }) => seq).toSorted((a, b) => a - b);
  }

  /** The seqs that it was told it will not get. */
  get noticed(): number[] {
    return [...this.archive.lines.values()].flatMap((line) =>
      'gap' in line && line.gap.reason === 'quarantined' ? [line.seq] : [],
    );
  }

  #reply(sent: Sent): Receipt | Promise<Receipt> {
    const isRefused = sent.lines.some((line) => 'record' in line && this.refuses(line.seq));
    return isRefused ? this.#how(sent, this.requests) : this.archive.store(sent.lines);
  }
}

function answering(status: number): Reply {
  const failure = status === 413 ? 'too-large' : 'refused';
  return () => {
    throw new SinkError(failure, `answered ${status}`, { status, response: 'no n here' });
  };
}

/** A 2xx whose receipt names every line. */
const rejectingAll: Reply = ({ lines }) => ({
  accepted: 0,
  rejected: lines.map(({ id }) => ({ id, reason: 'no n here' })),
});

async function quarantinedSeqs(wal: AnyWal): Promise<number[]> {
  const seqs = [];
  for await (const { seq } of wal.quarantined('audit')) seqs.push(seq);
  return seqs;
}

const from = (first: number, count: number) => Array.from({ length: count }, (_, n) => first + n);

it('poison is found by halving, put aside with a notice in its place, and the rest arrives', async () => {
  for (const how of [answering(400), answering(422), answering(413), rejectingAll]) {
    await withWal({}, async (wal, { events }) => {
      await append(wal, 1000);
      const poison = [1, 500, 501, 1000];
      const choosy = new Choosy((seq) => poison.includes(seq), how);
      // The last one has nothing behind it that could be evidence, but what came before it.
      await wal.ship('audit', choosy.sink, { lingerMs: 0 }).idle();
      const { delivered, quarantined, backlogRecords } = cursorOf(wal);
      assert.equal(
        { delivered, quarantined, backlogRecords },
        { delivered: 996, quarantined: 4, backlogRecords: 0 },
      );
      assert.equal(
        choosy.seqs,
        from(1, 1000).filter((seq) => !poison.includes(seq)),
      );
      assert.equal(choosy.noticed, poison);
      assert.equal(await quarantinedSeqs(wal), poison);
      assert.is(events.filter(({ type }) => type === 'quarantined').length, 4);
      assert.is(events.filter(({ type }) => type === 'ship-failing').length, 0);
      assert.ok(choosy.requests < 100, `${choosy.requests} requests`);
      assert.equal((await wal.verify()).problems, []);
    });
  }
});

it('what a destination said about a record is kept with it', async () => {
  await withWal({}, async (wal) => {
    const id = (await append(wal, 3))[0]!.id;
    await wal.ship('audit', new Choosy((seq) => seq === 1, answering(422)).sink, { lingerMs: 0 }).idle();
    const items = [];
    for await (const item of wal.quarantined()) items.push(item);
    assert.is(items.length, 1);
    const { at, ...item } = items[0]!;
    assert.ok(at > 0);
    assert.equal(item, {
      id,
      seq: 1,
      kind: 'audit',
      shipper: 'default',
      record: { n: 0 },
      reason: 'answered 422',
      status: 422,
      response: 'no n here',
    });
  });
});

for (const [name, how] of [
  ['400', answering(400)],
  ['413', answering(413)],
  ['a receipt that rejects all', rejectingAll],
] as const) {
  it(`a destination that answers everything with ${name} gets nothing put aside: the backlog waits`, async () => {
    await withWal({}, async (wal, opened) => {
      await append(wal, 3000);
      const choosy = new Choosy(() => true, how);
      const shipper = wal.ship('audit', choosy.sink, { lingerMs: 0 });
      const end = opened.clock.now() + HOUR_MS;
      await passWaits(opened, () => opened.clock.now() >= end);
      const { quarantined, backlogRecords, state, lastError } = cursorOf(wal);
      assert.equal([quarantined, backlogRecords, state], [0, 3000, 'waiting']);
      assert.ok(lastError);
      assert.equal(await quarantinedSeqs(wal), []);
      // 11 halvings, then rounds of the record and 16 probes, two and a half minutes apart at least but for the first.
      assert.ok(choosy.requests <= 11 + 30 * 17, `${choosy.requests} requests in an hour`);
      assert.equal(
        opened.events.map(({ type }) => type),
        ['ship-failing'],
      );
      choosy.refuses = () => false;
      const tookMs = await passWaits(opened, () => cursorOf(wal).backlogRecords === 0);
      assert.ok(tookMs <= 300_000, `${tookMs} ms until it was noticed`);
      await shipper.idle();
      assert.equal(choosy.seqs, from(1, 3000));
      assert.equal(choosy.noticed, []);
    });
  });
}

it('a destination that begins to refuse everything in the middle of a search costs one record at most', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 1000);
    const choosy = new Choosy((seq) => seq === 400 || taken() >= 300);
    const taken = () => choosy.archive.records;
    wal.ship('audit', choosy.sink, { lingerMs: 0 });
    const end = opened.clock.now() + HOUR_MS;
    await passWaits(opened, () => opened.clock.now() >= end);
    assert.ok(cursorOf(wal).quarantined <= 1);
  });
});

it('in a trickle, a record is put aside once the next one was taken', async () => {
  await withWal({}, async (wal, opened) => {
    const choosy = new Choosy((seq) => seq === 2);
    wal.ship('audit', choosy.sink, { lingerMs: 0 });
    await append(wal, 1);
    await until(() => cursorOf(wal).delivered === 1);
    await append(wal, 1);
    // Record 1 was taken before this one was refused, which proves nothing now.
    await until(() => cursorOf(wal).state === 'waiting');
    assert.is(cursorOf(wal).quarantined, 0);
    await append(wal, 1);
    const tookMs = await passWaits(opened, () => cursorOf(wal).seq === 3);
    assert.ok(tookMs <= 60_000, `${tookMs} ms`);
    assert.equal([cursorOf(wal).delivered, cursorOf(wal).quarantined], [2, 1]);
    assert.equal([choosy.seqs, choosy.noticed], [[1, 3], [2]]);
    // Sent out of turn as evidence, and once more in its turn.
    assert.is(choosy.archive.duplicates, 1);
  });
});

it('a destination that refused a record for a while gets it after all', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 5);
    let refusals = 0;
    const choosy = new Choosy(() => refusals++ < 40);
    wal.ship('audit', choosy.sink, { lingerMs: 0 });
    await passWaits(opened, () => cursorOf(wal).backlogRecords === 0);
    assert.is(cursorOf(wal).quarantined, 0);
    assert.equal(choosy.seqs, [1, 2, 3, 4, 5]);
  });
});

it('17 refused records in a row are a destination that refuses everything', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 30);
    const choosy = new Choosy((seq) => seq <= 17);
    wal.ship('audit', choosy.sink, { lingerMs: 0, batchMax: 17 });
    const end = opened.clock.now() + HOUR_MS;
    await passWaits(opened, () => opened.clock.now() >= end);
    assert.is(cursorOf(wal).quarantined, 0);
    choosy.refuses = (seq) => seq <= 16;
    await passWaits(opened, () => cursorOf(wal).backlogRecords === 0);
    assert.is(cursorOf(wal).quarantined, 16);
    assert.equal(choosy.noticed, from(1, 16));
  });
});

it('a refused notice is waited for, and never put aside', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 4);
    const { sink } = new Choosy((seq) => seq === 2);
    const takes = sink.reply;
    let refusesNotices = true;
    sink.reply = (sent, number) => {
      if (refusesNotices && 'gap' in sent.lines[0]!) throw new SinkError('refused', 'what is a gap?');
      return takes(sent, number);
    };
    wal.ship('audit', sink, { lingerMs: 0 });
    await until(() => cursorOf(wal).lastError === 'what is a gap?');
    assert.equal([cursorOf(wal).state, cursorOf(wal).quarantined], ['waiting', 0]);
    refusesNotices = false;
    await passWaits(opened, () => cursorOf(wal).backlogRecords === 0);
    assert.is(cursorOf(wal).quarantined, 1);
  });
});

it('a notice whose answer was lost is the same to the byte when it comes again, after a restart too', async () => {
  await withWal({}, async (wal, opened) => {
    await append(wal, 4);
    const { sink } = new Choosy((seq) => seq === 2);
    const takes = sink.reply;
    const notices: string[] = [];
    sink.reply = (sent, number) => {
      if ('record' in sent.lines[0]!) return takes(sent, number);
      if (notices.push(sent.text) < 4) throw new SinkError('outage', 'the answer was lost');
      return takes(sent, number);
    };
    wal.ship('audit', sink, { lingerMs: 0 });
    await passWaits(opened, () => notices.length === 2);
    opened.clock.advance(HOUR_MS);
    const again = await opened.reopen();
    again.ship('audit', sink, { lingerMs: 0 });
    await passWaits(opened, () => cursorOf(again).backlogRecords === 0);
    assert.ok(notices.length >= 4);
    assert.equal(new Set(notices).size, 1);
  });
});

it('stop ends the wait for somebody at once', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 1);
    const shipper = wal.ship('audit', new Choosy(() => true).sink, { lingerMs: 0 });
    await until(() => cursorOf(wal).state === 'waiting');
    // Time stands still: what resolves here has not waited.
    await shipper.stop();
    assert.is(cursorOf(wal).backlogRecords, 1);
  });
});

it('past a tenth of the budget a shipper stops, says so, and goes on when the quarantine holds less', async () => {
  await withWal({ maxBytes: 1_048_576 }, async (wal, opened) => {
    const text = 'x'.repeat(5_000);
    const records = Array.from({ length: 100 }, (_, n) => ({ n, text }));
    await wal.appendMany('audit', records);
    const refused = (seq: number) => seq % 2 === 0 && seq <= 100;
    const choosy = new Choosy(refused, ({ lines }) => {
      const bad = lines.filter((line) => 'record' in line && refused(line.seq));
      if (bad.length === lines.length) return rejectingAll({ lines } as Sent, 1);
      const { accepted, duplicates } = choosy.archive.store(lines.filter((line) => !bad.includes(line)));
      return {
        accepted,
        duplicates: duplicates ?? 0,
        rejected: bad.map(({ id }) => ({ id, reason: 'even' })),
      };
    });
    const shipper = wal.ship('audit', choosy.sink, { lingerMs: 0, batchMax: 10 });
    await until(() => cursorOf(wal).state === 'stopped');
    assert.match(cursorOf(wal).lastError!, 'a tenth of maxBytes');
    const { quarantined } = cursorOf(wal);
    assert.ok(quarantined >= 20 && quarantined <= 25, `${quarantined}`);
    await rejectsWith(shipper.idle(), 'WAL_CLOSED', 'a tenth of maxBytes');
    assert.is(opened.events.filter(({ type }) => type === 'ship-stopped').length, 1);
    const sent = choosy.requests;
    await turns();
    assert.is(choosy.requests, sent);
    choosy.refuses = () => false;
    await wal.resend('audit', { shipper: 'default' });
    await until(() => cursorOf(wal).backlogRecords === 0);
    assert.equal((await wal.verify()).problems, []);
  });
});

it.run();
