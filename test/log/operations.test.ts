import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keys, unseal } from '../../lib/log/keyspace.js';
import { newCursor } from '../../lib/log/ledger.js';
import type { Acknowledgement, EntryRef, Removal } from '../../lib/log/operations.js';
import { acknowledge, addCursor, forget, remove, trim } from '../../lib/log/operations.js';
import type { StreamState } from '../../lib/log/state.js';
import { Draft, backlogBytes, newStream, storedBytes } from '../../lib/log/state.js';

const it = suite('log/operations');

const KIND = 'log';

/** Entries of ten records and 100 bytes each. */
function entry(n: number): EntryRef {
  return { firstSeq: n * 10 - 9, lastSeq: n * 10, offset: (n - 1) * 100, size: 100 };
}

/** A stream of so many entries, with cursors at some seqs that have delivered everything before. */
function streamOf(entries: number, cursors: Record<string, number> = { default: 0 }): StreamState {
  const at = Object.entries(cursors).map(([name, seq]) => {
    const cursor = { ...newCursor(0, 0, 0), seq, offset: Math.floor(seq / 10) * 100, delivered: seq };
    return [name, cursor] as const;
  });
  return { ...newStream(KIND), lastSeq: entries * 10, endOffset: entries * 100, cursors: new Map(at) };
}

function draftOf(stream: StreamState): Draft {
  return new Draft(new Map([[KIND, stream]]));
}

function stateOf(draft: Draft): StreamState {
  return draft.streams.get(KIND)!;
}

function ack(given: Partial<Acknowledgement>): Acknowledgement {
  const { after = 0, to = 10 } = given;
  const base = {
    kind: KIND,
    shipper: 'default',
    quarantined: [],
    deletes: true,
    at: 5,
    entries: [],
    replays: 0,
  };
  return { ...base, after, to, delivered: to - after, ...given };
}

function removal(from: number, to: number, more: Partial<Removal> = {}): Removal {
  const [startOffset, endOffset] = [(from - 1) * 10, to * 10];
  return { kind: KIND, from, to, keys: [], startOffset, endOffset, reason: 'size', at: 7, ...more };
}

/** The keys that a draft deletes. */
function deleted(draft: Draft): string[] {
  return [...draft.changes].filter(([, value]) => value === undefined).map(([key]) => key);
}

it('an acknowledgement moves cursor and ledger and deletes, all in one draft', () => {
  const draft = draftOf(streamOf(3));
  acknowledge(draft, ack({ to: 20, entries: [entry(1), entry(2)] }));
  const { cursors, head } = stateOf(draft);
  const { seq, offset, delivered, at } = cursors.get('default')!;
  assert.equal({ seq, offset, delivered, at }, { seq: 20, offset: 200, delivered: 20, at: 5 });
  assert.equal(head, { seq: 20, offset: 200 });
  assert.equal(deleted(draft), [keys.entry(KIND, 10), keys.entry(KIND, 20)]);
  for (const key of [keys.cursor(KIND, 'default'), keys.head(KIND)]) {
    assert.ok(unseal(key, draft.changes.get(key)!), key);
  }
  assert.is(storedBytes(stateOf(draft)), 100);
});

it('an acknowledgement from another place than the cursor is refused and changes nothing', () => {
  const draft = draftOf(streamOf(3, { default: 10 }));
  assert.throws(() => acknowledge(draft, ack({ after: 0, to: 20 })), /at 10, not at 0/);
  assert.throws(() => acknowledge(draft, ack({ shipper: 'other' })), /undefined/);
  assert.is(draft.changes.size, 0);
  assert.equal(stateOf(draft), streamOf(3, { default: 10 }));
});

it('what another cursor has not passed stays', () => {
  const draft = draftOf(streamOf(3, { default: 0, slow: 15 }));
  acknowledge(draft, ack({ to: 30, entries: [entry(1), entry(2), entry(3)] }));
  assert.equal(deleted(draft), [keys.entry(KIND, 10)]);
  assert.equal(stateOf(draft).head, { seq: 10, offset: 100 });
});

it('an entry that was delivered in part stays until the rest is', () => {
  const draft = draftOf(streamOf(2));
  acknowledge(draft, ack({ to: 4, entries: [entry(1)] }));
  assert.equal(deleted(draft), []);
  assert.is(stateOf(draft).cursors.get('default')?.offset, 0);
  acknowledge(draft, ack({ after: 4, to: 12, entries: [entry(1), entry(2)] }));
  assert.equal(deleted(draft), [keys.entry(KIND, 10)]);
  assert.is(stateOf(draft).cursors.get('default')?.offset, 100);
});

it('without deletes, everything stays for replay', () => {
  const draft = draftOf(streamOf(2));
  acknowledge(draft, ack({ to: 20, entries: [entry(1), entry(2)], deletes: false }));
  assert.equal(deleted(draft), []);
  assert.is(stateOf(draft).head.seq, 0);
});

it('a record put aside is stored with its evidence, and counted with its bytes', () => {
  const draft = draftOf(streamOf(1));
  const record = { seq: 3, line: '{"seq":3}', reason: 'no actor', status: 422, response: 'sorry' };
  acknowledge(draft, ack({ delivered: 9, quarantined: [record], entries: [entry(1)] }));
  const key = keys.quarantine(KIND, 'default', 3);
  const value = draft.changes.get(key)!;
  const { seq: _, ...kept } = record;
  assert.equal(unseal(key, value), { ...kept, at: 5 });
  const { delivered, quarantined, quarantineBytes } = stateOf(draft).cursors.get('default')!;
  assert.equal([delivered, quarantined, quarantineBytes], [9, 1, key.length + value.length]);
});

it('an acknowledgement of notices alone moves the cursor over them and their bytes', () => {
  const draft = draftOf(streamOf(3, { default: 0, slow: 0 }));
  remove(draft, removal(11, 20), []);
  acknowledge(draft, ack({ to: 10, entries: [entry(1)] }));
  acknowledge(draft, ack({ after: 10, to: 20, delivered: 0 }));
  const { seq, offset, delivered, dropped } = stateOf(draft).cursors.get('default')!;
  assert.equal({ seq, offset, delivered, dropped }, { seq: 20, offset: 200, delivered: 10, dropped: 10 });
});

it('a removal at the head moves it, and counts for each cursor what it had not passed', () => {
  const draft = draftOf(streamOf(3, { default: 4, fast: 30 }));
  const { unsettled } = remove(draft, removal(1, 20, { keys: [keys.entry(KIND, 10)] }), []);
  assert.equal(
    [...unsettled],
    [
      ['default', 16],
      ['fast', 0],
    ],
  );
  const { head, notices, cursors } = stateOf(draft);
  assert.equal(head, { seq: 20, offset: 200 });
  assert.equal(notices, [{ from: 5, to: 20, reason: 'size', at: 7, bytes: 0 }]);
  assert.is(cursors.get('fast')?.dropped, 0);
  assert.equal(deleted(draft), [keys.entry(KIND, 10)]);
  assert.is(storedBytes(stateOf(draft)), 100);
});

it('bytes behind a cursor are exact, also where it stands inside what is gone', () => {
  const draft = draftOf(streamOf(5, { fast: 20, slow: 0 }));
  remove(draft, removal(11, 30), []);
  const { cursors } = stateOf(draft);
  assert.is(backlogBytes(stateOf(draft), cursors.get('fast')!), 200);
  assert.is(backlogBytes(stateOf(draft), cursors.get('slow')!), 300);
  acknowledge(draft, ack({ shipper: 'fast', after: 20, to: 40, delivered: 10, entries: [entry(4)] }));
  assert.is(backlogBytes(stateOf(draft), stateOf(draft).cursors.get('fast')!), 100);
});

it('a notice that every cursor has passed is gone with the acknowledgement that passes it', () => {
  const draft = draftOf(streamOf(3, { default: 0, slow: 0 }));
  remove(draft, removal(1, 10), []);
  acknowledge(draft, ack({ to: 10, delivered: 0 }));
  assert.is(stateOf(draft).notices.length, 1);
  acknowledge(draft, ack({ shipper: 'slow', to: 10, delivered: 0 }));
  assert.is(stateOf(draft).notices.length, 0);
  assert.ok(deleted(draft).includes(keys.notice(KIND, 10)));
});

it('notices of other reasons stay apart', () => {
  const draft = draftOf(streamOf(3));
  remove(draft, removal(1, 10), []);
  remove(draft, removal(11, 20, { reason: 'corrupt' }), []);
  remove(draft, removal(21, 30, { reason: 'corrupt' }), []);
  assert.equal(
    stateOf(draft).notices.map(({ from, to, reason }) => [from, to, reason]),
    [
      [1, 10, 'size'],
      [11, 30, 'corrupt'],
    ],
  );
  assert.equal(stateOf(draft).cursors.get('default')?.gone, { size: 10, corrupt: 20 });
});

it('the head never goes back', () => {
  const draft = draftOf(streamOf(3, { default: 30 }));
  trim(draft, KIND, 20, 200, []);
  trim(draft, KIND, 10, 100, []);
  assert.equal(stateOf(draft).head, { seq: 20, offset: 200 });
});

it('a cursor begins in front of the oldest record on disk, and is not made twice', () => {
  const draft = draftOf({ ...streamOf(3, { default: 30 }), head: { seq: 10, offset: 100 } });
  addCursor(draft, KIND, 'late', 9);
  const { seq, startSeq, offset, at } = stateOf(draft).cursors.get('late')!;
  assert.equal({ seq, startSeq, offset, at }, { seq: 10, startSeq: 10, offset: 100, at: 9 });
  const before = stateOf(draft).cursors.get('default');
  addCursor(draft, KIND, 'default', 9);
  assert.is(stateOf(draft).cursors.get('default'), before);
});

it('forgetting a cursor lets go of what only it was waiting for', () => {
  const draft = draftOf(streamOf(3, { default: 30, siem: 10 }));
  remove(draft, removal(1, 20), []);
  assert.is(stateOf(draft).notices.length, 1);
  assert.is(forget(draft, KIND, 'siem'), 20);
  assert.is(stateOf(draft).notices.length, 0);
  assert.not(stateOf(draft).cursors.has('siem'));
  assert.ok(deleted(draft).includes(keys.cursor(KIND, 'siem')));
  assert.is(forget(draft, KIND, 'siem'), 0);
});

it('a draft leaves what it began with as it was', () => {
  const before = streamOf(3);
  const copy = structuredClone(before);
  const draft = draftOf(before);
  remove(draft, removal(1, 10), []);
  acknowledge(draft, ack({ to: 20, delivered: 10, entries: [entry(2)] }));
  assert.equal(before, copy);
  assert.equal(draft.changedKinds, [KIND]);
});

it.run();
