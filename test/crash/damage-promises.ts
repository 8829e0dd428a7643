// What must hold of a log that was damaged, whatever the damage: see `checkPromises`.

import * as assert from 'uvu/assert';
import type { WalEvent } from '../../lib/events.js';
import type { AnyWal } from '../helpers/wal.js';
import type { CursorName, Facts, Kind } from './damage-lab.js';
import { CURSORS, KINDS } from './damage-lab.js';
import type { Receiver } from './damage-receiver.js';

/** What is expected beyond the promises, where it is known. */
export interface Expected {
  /** The mark is whole: nothing that was acknowledged comes again. @default true */
  readonly mark?: boolean;
  /** Something still knows where each stream ended. Where nothing does, its last seqs are given again, under other ids. @default true */
  readonly end?: boolean;
}

export interface Outcome {
  /** Records that some receiver will never see: by the ledger, and under a notice. */
  readonly lost: number;
  /** Records that arrived again. */
  readonly duplicates: number;
}

/**
 * Asserts that a log that was just opened keeps what was promised before it was damaged:
 * - no position is ahead of what was acknowledged, and, with the mark, none behind;
 * - no record that can be read was changed, none that was delivered or dropped comes again;
 * - what is delivered from here on completes what each receiver has: every seq from 1 as a record or under a
 *   notice, none as both, so that nothing that was delivered is called lost;
 * - the ledger says exactly what each receiver has, and `verify` finds nothing;
 * - what is appended goes on behind everything that was ever given, under ids that were never given.
 */
export async function checkPromises(
  facts: Facts,
  wal: AnyWal,
  events: readonly WalEvent[],
  { mark = true, end = true }: Expected = {},
): Promise<Outcome> {
  checkPositions(facts, wal, mark);
  await checkReads(facts, wal);
  checkLedger(wal);
  const receivers = new Map([...facts.receivers].map(([name, receiver]) => [name, receiver.copy()]));
  await drain(wal, receivers);
  let lost = 0;
  let duplicates = 0;
  for (const name of CURSORS) {
    const receiver = receivers.get(name)!;
    checkReceiver(facts, wal, name, receiver);
    if (mark) assert.is(receiver.duplicates, 0, `${name} gets nothing again`);
    lost += receiver.count('corrupt');
    duplicates += receiver.duplicates;
  }
  if (lost > 0)
    assert.ok(
      events.some(({ type }) => type === 'lost'),
      'what is lost is told',
    );
  assert.equal((await wal.verify()).problems, [], 'after everything was read, nothing is wrong any more');
  await checkAppends(facts, wal, receivers, end);
  return { lost, duplicates };
}

function checkPositions(facts: Facts, wal: AnyWal, mark: boolean): void {
  const { streams } = wal.stats();
  for (const cursor of CURSORS) {
    const [kind, name] = cursor.split('/') as [Kind, string];
    const before = facts.streams[kind]!.shippers[name]!.seq;
    const now = streams[kind]?.shippers[name]?.seq;
    assert.ok(now !== undefined && now <= before, `${cursor} stood at ${before} and stands at ${now}`);
    if (mark) assert.is(now, before, `where ${cursor} stands`);
  }
}

/** Everything that is read is what was appended, in order. */
async function checkReads(facts: Facts, wal: AnyWal): Promise<void> {
  for (const kind of KINDS) {
    let last = 0;
    for await (const item of wal.read(kind)) {
      assert.ok(item.seq > last, `${kind} ${item.seq} is read after ${last}`);
      last = item.seq;
      if ('record' in item) checkRecord(facts, kind, item.seq, item.id, JSON.stringify(item.record));
    }
  }
}

function checkRecord(facts: Facts, kind: Kind, seq: number, id: string, json: string): void {
  assert.equal({ id, json }, facts.records.get(kind)!.get(seq), `${kind} ${seq} is what was appended`);
}

export function checkLedger(wal: AnyWal): void {
  for (const [kind, { lastSeq, shippers }] of Object.entries(wal.stats().streams)) {
    for (const [name, cursor] of Object.entries(shippers)) {
      const { startSeq, delivered, dropped, quarantined, lost, backlogRecords } = cursor;
      const counts = [delivered, dropped, quarantined, lost, backlogRecords];
      assert.ok(
        counts.every((count) => count >= 0),
        `the counts of ${kind}/${name}: ${counts.join()}`,
      );
      assert.is(
        lastSeq - startSeq,
        counts.reduce((sum, count) => sum + count, 0),
        `the ledger of ${kind}/${name}`,
      );
    }
  }
}

async function drain(wal: AnyWal, receivers: ReadonlyMap<CursorName, Receiver>): Promise<void> {
  for (const [cursor, receiver] of receivers) {
    const [kind, name] = cursor.split('/') as [Kind, string];
    const shipper = wal.ship(kind, receiver.sink(), { name, lingerMs: 0 });
    await shipper.idle();
    await shipper.stop();
  }
}

function checkReceiver(facts: Facts, wal: AnyWal, cursor: CursorName, receiver: Receiver): void {
  const [kind, name] = cursor.split('/') as [Kind, string];
  const { lastSeq, shippers } = wal.stats().streams[kind]!;
  const before = facts.receivers.get(cursor)!;
  assert.equal(receiver.faults, [], cursor);
  assert.equal(receiver.missing(lastSeq), [], `${cursor} has every seq`);
  for (const { seq, id, json } of receiver.records()) checkRecord(facts, kind, seq, id, json);
  const { startSeq, delivered, dropped, quarantined, lost } = shippers[name]!;
  const gone = (['size', 'age', 'disk-full'] as const).reduce((sum, as) => sum + receiver.count(as), 0);
  // A cursor of which no witness was left counts from where it was placed again.
  if (startSeq !== facts.streams[kind]!.shippers[name]!.startSeq) return;
  const counted = { delivered, dropped, aside: quarantined + lost };
  const had = {
    delivered: receiver.count('record'),
    dropped: gone,
    aside: receiver.count('quarantined') + receiver.count('corrupt'),
  };
  assert.equal(counted, had, `the ledger of ${cursor} says what arrived`);
  assert.is(before.count('quarantined'), receiver.count('quarantined'), 'nothing is put aside meanwhile');
}

async function checkAppends(
  facts: Facts,
  wal: AnyWal,
  receivers: ReadonlyMap<CursorName, Receiver>,
  end: boolean,
): Promise<void> {
  for (const kind of KINDS) {
    const { id, seq } = await wal.append(kind, { after: 'the damage' });
    if (end) assert.ok(seq > facts.streams[kind]!.lastSeq, `${kind} goes on at ${seq}`);
    const given = [...facts.records.get(kind)!.values()].map((record) => record.id);
    assert.not(given.includes(id), 'a new id');
  }
  await drain(wal, receivers);
  for (const [cursor, receiver] of receivers) {
    assert.equal(receiver.faults, [], cursor);
    assert.equal(receiver.missing(wal.stats().streams[cursor.split('/')[0]!]!.lastSeq), []);
  }
  checkLedger(wal);
}
