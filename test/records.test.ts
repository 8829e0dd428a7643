import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../lib/errors.js';
import type { WireLine } from '../lib/records.js';
import { RECORD_BYTES_MAX, encodeRecord, gapId, gapLine, recordId, recordLine } from '../lib/records.js';

const it = suite('records');

const WRITER = '0123456789ABCDEF';

function encode(record: unknown, bytesMax = RECORD_BYTES_MAX): string {
  return encodeRecord('audit', record, bytesMax);
}

/** Refused with a code, in words that say why. */
function refuses(record: unknown, code: string, says: RegExp, bytesMax?: number): void {
  assert.throws(
    () => encode(record, bytesMax),
    (error: unknown) =>
      error instanceof WalError &&
      error.code === code &&
      says.test(error.message) &&
      error.message.includes("'audit'"),
    `${code} ${String(says)}`,
  );
}

class Event {
  readonly action = 'login';
}

it('a record is its JSON', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (record) => {
      assert.is(encode(record), JSON.stringify(record));
    }),
  );
});

it('what is plain is taken, wherever it comes from', () => {
  const bare: unknown = Object.assign(Object.create(null) as object, { a: 1 });
  const foreign: unknown = runInNewContext('({ a: 1 })');
  for (const record of [{ a: 1 }, bare, foreign, structuredClone({ a: 1 })]) {
    assert.is(encode(record), '{"a":1}');
  }
});

it('what is no plain object is refused by its name', () => {
  const cases: [record: unknown, says: RegExp][] = [
    [undefined, /got undefined/],
    [null, /got null/],
    ['text', /got a string/],
    [7, /got a number/],
    [true, /got a boolean/],
    [Symbol('s'), /got a symbol/],
    [() => ({}), /got a function/],
    [[{}], /got an array/],
    [new Event(), /an instance of Event/],
    [new Map(), /an instance of Map/],
    [new Error('no'), /an instance of Error/],
    [Buffer.from('{}'), /an instance of Buffer/],
    [Object.create({ a: 1 }), /an instance of Object/],
    [Object.create(Object.create(null) as object), /an instance of a class/],
    [Promise.resolve({}), /an instance of Promise/],
  ];
  for (const [record, says] of cases) refuses(record, 'WAL_RECORD_INVALID', says);
});

it('what cannot be written as JSON is refused, with the cause', () => {
  const cycle: Record<string, unknown> = { a: [] };
  (cycle['a'] as unknown[]).push(cycle);
  refuses(cycle, 'WAL_RECORD_INVALID', /circular/);
  refuses({ n: 1n }, 'WAL_RECORD_INVALID', /BigInt/);
  const throwing = Object.defineProperty({}, 'a', {
    enumerable: true,
    get() {
      throw new RangeError('not now');
    },
  });
  refuses(throwing, 'WAL_RECORD_INVALID', /not now/);
  try {
    encode(throwing);
  } catch (error) {
    assert.instance((error as Error).cause, RangeError);
  }
});

it('a record that its own toJSON makes something else of is refused', () => {
  const cases: [made: unknown, says: RegExp][] = [
    [undefined, /nothing$/],
    ['text', /a string$/],
    [7, /a number$/],
    [null, /null$/],
    [['{'], /an array$/],
  ];
  for (const [made, says] of cases) {
    refuses(
      { toJSON: () => made },
      'WAL_RECORD_INVALID',
      new RegExp(`to be an object as JSON, got ${says.source}`),
    );
  }
  assert.is(encode({ toJSON: () => ({ a: 1 }) }), '{"a":1}');
});

it('a record has as many bytes as it may have, and not one more, whatever its letters', () => {
  for (const letter of ['x', 'ä', '€', '🧾', '"', '\u0000']) {
    const bytes = Buffer.byteLength(JSON.stringify({ text: letter.repeat(50) }));
    assert.is(Buffer.byteLength(encode({ text: letter.repeat(50) }, bytes)), bytes);
    refuses({ text: letter.repeat(50) }, 'WAL_RECORD_TOO_LARGE', /at most \d+ \(maxRecordBytes\)/, bytes - 1);
  }
});

it('a line is JSON on one line, with the id, seq and kind of its record', () => {
  const kinds = fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/);
  fc.assert(
    fc.property(
      kinds,
      fc.integer({ min: 1, max: 2 ** 53 - 1 }),
      fc.dictionary(fc.string(), fc.jsonValue()),
      (kind, seq, record) => {
        const line = recordLine(WRITER, kind, seq, encodeRecord(kind, record, RECORD_BYTES_MAX));
        assert.ok(line.endsWith('\n'));
        assert.is(line.indexOf('\n'), line.length - 1);
        const expected = {
          id: recordId(WRITER, kind, seq),
          seq,
          kind,
          record: JSON.parse(JSON.stringify(record)) as object,
        };
        assert.equal(JSON.parse(line), expected);
      },
    ),
  );
});

it('a notice is a line of its own, known by the log and its range', () => {
  const gap = { from: 3, to: 9, reason: 'size', at: 1_767_225_600_000 } as const;
  assert.is(gapId('LOG', 'audit', gap), 'LOG:audit:gap:3-9');
  const line = gapLine('LOG', 'audit', { ...gap, bytes: 100 } as typeof gap);
  assert.ok(line.endsWith('}\n'));
  const expected: WireLine = { id: 'LOG:audit:gap:3-9', seq: 9, kind: 'audit', gap };
  assert.equal(JSON.parse(line), expected);
});

it.run();
