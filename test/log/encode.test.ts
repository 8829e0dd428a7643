import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Append } from '../../lib/log/encode.js';
import { DEFLATE_BYTES_MIN, encodeAppends } from '../../lib/log/encode.js';
import type { Entry } from '../../lib/log/entry.js';
import { ENTRY_LINE_BYTES_MAX, ENTRY_RECORDS_MAX, decodeEntry } from '../../lib/log/entry.js';
import { linesOf } from '../../lib/log/gzip.js';
import { parseKey } from '../../lib/log/keyspace.js';
import { Draft, newStream } from '../../lib/log/state.js';
import { recordLine } from '../../lib/records.js';

const it = suite('log/encode');

const WRITER = 'W'.repeat(16);
const NOW = 1_767_225_600_000;

async function encode(appends: readonly Append[], base = newStream('log')) {
  const draft = new Draft(new Map([['log', base]]));
  const appending = appends.map((append) => ({ ...append, writerId: '', firstSeq: 0 }));
  await encodeAppends(draft, appending, WRITER, NOW);
  const appended = appending.map(({ writerId, firstSeq }) => ({ writerId, firstSeq }));
  const entries: Entry[] = [];
  for (const [key, value] of draft.changes) {
    const entry = value && decodeEntry(parseKey(key)!.kind, key, value);
    assert.ok(entry);
    entries.push(entry);
  }
  return { appended, entries, draft };
}

function records(count: number, json = '{}'): string[] {
  return Array<string>(count).fill(json);
}

it('appends of one commit share an entry, each with its own place', async () => {
  const { appended, entries } = await encode([
    { kind: 'log', records: ['{"a":1}'] },
    { kind: 'log', records: ['{"b":2}', '{"c":3}'] },
  ]);
  assert.equal(appended, [
    { writerId: WRITER, firstSeq: 1 },
    { writerId: WRITER, firstSeq: 2 },
  ]);
  assert.is(entries.length, 1);
  const { firstSeq, lastSeq, count, appendedAt, offset } = entries[0]!;
  assert.equal(
    { firstSeq, lastSeq, count, appendedAt, offset },
    { firstSeq: 1, lastSeq: 3, count: 3, appendedAt: NOW, offset: 0 },
  );
});

it('its lines are exactly what goes on the wire', async () => {
  const { entries } = await encode([{ kind: 'log', records: ['{"a":"ä"}', '{"b":2}'] }]);
  assert.is(
    String(await linesOf(entries[0]!)),
    recordLine(WRITER, 'log', 1, '{"a":"ä"}') + recordLine(WRITER, 'log', 2, '{"b":2}'),
  );
});

it('streams have entries of their own, numbered on their own, in the order in which they came', async () => {
  const { appended, entries } = await encode([
    { kind: 'log', records: records(2) },
    { kind: 'audit', records: records(1) },
    { kind: 'log', records: records(1) },
    { kind: 'audit', records: records(2) },
  ]);
  assert.equal(
    appended.map(({ firstSeq }) => firstSeq),
    [1, 1, 3, 2],
  );
  assert.equal(
    entries.map(({ kind, firstSeq, lastSeq }) => [kind, firstSeq, lastSeq]),
    [
      ['log', 1, 3],
      ['audit', 1, 3],
    ],
  );
});

it('an entry holds at most 512 records', async () => {
  const { entries } = await encode([{ kind: 'log', records: records(ENTRY_RECORDS_MAX * 2 + 1) }]);
  assert.equal(
    entries.map(({ count }) => count),
    [ENTRY_RECORDS_MAX, ENTRY_RECORDS_MAX, 1],
  );
});

it('an entry holds at most 256 KiB of lines, and a larger record is alone in its entry', async () => {
  const large = JSON.stringify({ text: 'x'.repeat(ENTRY_LINE_BYTES_MAX) });
  const third = JSON.stringify({ text: 'y'.repeat(ENTRY_LINE_BYTES_MAX / 3) });
  const { entries } = await encode([
    { kind: 'log', records: ['{}', large, '{}', third, third, third, '{}'] },
  ]);
  assert.equal(
    entries.map(({ count }) => count),
    [1, 1, 3, 2],
  );
  for (const { count, lineBytes } of entries) assert.ok(count === 1 || lineBytes <= ENTRY_LINE_BYTES_MAX);
});

it('offsets are the bytes of keys and values before, without a gap', async () => {
  const base = { ...newStream('log'), lastSeq: 41, endOffset: 1000 };
  const { entries, draft } = await encode([{ kind: 'log', records: records(1200) }], base);
  let offset = 1000;
  let seq = 42;
  for (const entry of entries) {
    assert.is(entry.offset, offset);
    assert.is(entry.firstSeq, seq);
    offset += entry.size;
    seq += entry.count;
  }
  assert.is(draft.streams.get('log')?.endOffset, offset);
  assert.is(draft.streams.get('log')?.lastSeq, seq - 1);
});

it('lines are deflated from 32 KiB on', async () => {
  const appends = [
    { kind: 'log', records: [JSON.stringify({ text: 'x'.repeat(DEFLATE_BYTES_MIN) })] },
    { kind: 'audit', records: [JSON.stringify({ text: 'x'.repeat(DEFLATE_BYTES_MIN / 2) })] },
  ];
  const { entries } = await encode(appends);
  assert.equal(
    entries.map(({ codec }) => codec),
    [1, 0],
  );
  assert.ok(entries[0]!.stored.length < DEFLATE_BYTES_MIN / 10);
});

it('nothing is encoded of no records', async () => {
  const { appended, draft } = await encode([{ kind: 'log', records: [] }]);
  assert.is(draft.changes.size, 0);
  assert.is(appended.length, 1);
});

it.run();
