import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gapLine, recordLine } from '../../lib/records.js';
import { checkLines } from '../../lib/ingest/lines.js';
import type { LineContext } from '../../lib/ingest/lines.js';
import { Refusal } from '../../lib/ingest/refusal.js';

const it = suite('ingest/lines');

const LIMITS = { lineBytesMax: 1000, linesMax: 100 };
const AUDIT: LineContext = { kind: 'audit', logId: undefined };
const WRITER = '0123456789ABCDEF';
const LOG = '7Q2M4K9ZT0V5XW8B';

const check = (text: string, context = AUDIT, limits = LIMITS) =>
  checkLines(Buffer.from(text), context, limits);

/** The reason against one line, or `undefined` where it is acceptable. */
function reasonOf(line: object, context = AUDIT): string | undefined {
  const { count, acceptable, rejected } = check(`${JSON.stringify(line)}\n`, context);
  assert.is(count, 1);
  assert.is(acceptable.length + rejected.length, 1);
  return rejected[0]?.reason;
}

function refusalOf(work: () => unknown): { status: number; code: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, code: error.code };
    throw error;
  }
  throw new Error('expected a refusal');
}

const record = (over: object = {}) => ({
  id: `${WRITER}:audit:7`,
  seq: 7,
  kind: 'audit',
  record: { a: 1 },
  ...over,
});
/** A good line of this many bytes. */
function lineOf(bytes: number): string {
  const empty = JSON.stringify(record({ record: { pad: '' } }));
  return `${JSON.stringify(record({ record: { pad: 'x'.repeat(bytes - empty.length) } }))}\n`;
}
const notice = (over: object = {}, gap: object = {}) => ({
  id: `${LOG}:audit:gap:3-7`,
  seq: 7,
  kind: 'audit',
  gap: { from: 3, to: 7, reason: 'age', at: 1_767_225_600_000, ...gap },
  ...over,
});

it('what a log writes is acceptable, and kept byte for byte', () => {
  const lines = [
    recordLine(WRITER, 'audit', 1, '{"a":"ü"}'),
    gapLine(LOG, 'audit', { from: 2, to: 9, reason: 'disk-full', at: 5 }),
    recordLine(WRITER, 'audit', 10, '{}'),
  ];
  const { count, acceptable, rejected } = check(lines.join(''), { kind: 'audit', logId: LOG });
  assert.is(count, 3);
  assert.equal(rejected, []);
  assert.equal(
    acceptable.map(({ bytes }) => `${bytes.toString()}\n`),
    lines,
  );
  assert.equal(
    acceptable.map(({ id, seq, gap }) => [id, seq, gap?.from]),
    [
      [`${WRITER}:audit:1`, 1, undefined],
      [`${LOG}:audit:gap:2-9`, 9, 2],
      [`${WRITER}:audit:10`, 10, undefined],
    ],
  );
});

it('the last newline may be missing', () => {
  assert.is(check(JSON.stringify(record())).acceptable.length, 1);
});

it('members that a newer sender adds are let through', () => {
  assert.is(reasonOf(record({ trace: 'x' })), undefined);
});

const REJECTED: [string, object, RegExp][] = [
  ['another kind', record({ kind: 'log', id: `${WRITER}:log:7` }), /kind 'audit'/],
  ['no kind', record({ kind: undefined }), /kind 'audit'/],
  ['seq 0', record({ seq: 0, id: `${WRITER}:audit:0` }), /seq/],
  ['a seq as text', record({ seq: '7' }), /seq/],
  ['a seq beyond the safe integers', record({ seq: 2 ** 53, id: `${WRITER}:audit:${2 ** 53}` }), /seq/],
  ['a seq that is not the one of the id', record({ seq: 8 }), /':audit:8'/],
  ['a zero before the seq in the id', record({ id: `${WRITER}:audit:07` }), /writer id/],
  ['an id of another kind', record({ id: `${WRITER}:log:7` }), /writer id/],
  ['a writer id that is too short', record({ id: `${WRITER.slice(1)}:audit:7` }), /writer id/],
  ['a letter that Crockford left out', record({ id: `${WRITER.slice(1)}U:audit:7` }), /writer id/],
  ['an id like any other', record({ id: 'hello' }), /writer id/],
  ['neither record nor gap', record({ record: undefined }), /either/],
  ['record and gap', { ...record(), gap: null }, /either/],
  ['a record that is null', record({ record: null }), /record to be an object/],
  ['a record that is an array', record({ record: [] }), /record to be an object/],
  ['a record that is text', record({ record: '{}' }), /record to be an object/],
  ['a gap that is null', notice({ gap: null }), /gap to be an object/],
  ['a gap that ends before it begins', notice({ id: `${LOG}:audit:gap:8-7` }, { from: 8 }), /in order/],
  ['a gap that does not end at seq', notice({ seq: 8 }), /seq to be gap.to/],
  ['a gap for no known reason', notice({}, { reason: 'whim' }), /reason/],
  ['a gap without a time', notice({}, { at: 'now' }), /gap.at/],
  ['a notice under a record id', notice({ id: `${WRITER}:audit:7` }), /gap:3-7/],
  ['a notice without a log id', notice({ id: ':audit:gap:3-7' }), /gap:3-7/],
];
for (const [what, line, reason] of REJECTED) {
  it(`${what} is rejected by id, with the reason`, () => {
    assert.match(reasonOf(line) ?? 'acceptable', reason);
  });
}

it('a notice of another log than the request names is rejected', () => {
  assert.is(reasonOf(notice(), { kind: 'audit', logId: LOG }), undefined);
  assert.match(reasonOf(notice(), { kind: 'audit', logId: 'OTHER' }) ?? '', /log id/);
});

it('a line that can not be answered for by id refuses the whole request', () => {
  const good = `${JSON.stringify(record())}\n`;
  const deep = `{"id":"x","record":${'['.repeat(400)}`;
  const without = ['{', '[]', 'null', '"id"', '', '  ', '{}', '{"id":7}', '{"id":""}', deep];
  const long = `{"id":"${'x'.repeat(257)}"}`;
  for (const line of [...without, long]) {
    assert.equal(
      refusalOf(() => check(`${good}${line}\n${good}`)),
      { status: 400, code: 'bad_line' },
      line,
    );
  }
});

it('no line at all is refused', () => {
  assert.equal(
    refusalOf(() => check('')),
    { status: 400, code: 'empty_body' },
  );
});

it('the limits hold to the byte and to the line', () => {
  assert.is(check(lineOf(1000)).acceptable.length, 1);
  assert.equal(
    refusalOf(() => check(lineOf(1001))),
    { status: 413, code: 'line_too_large' },
  );
  assert.is(check(lineOf(200).repeat(100)).count, 100);
  assert.equal(
    refusalOf(() => check(lineOf(200).repeat(101))),
    { status: 413, code: 'too_many_lines' },
  );
});

it('nesting as deep as a line allows is no crash', () => {
  const deep = `${'['.repeat(500_000)}${']'.repeat(500_000)}`;
  const line = JSON.stringify(record({ record: { deep: 0 } })).replace('"deep":0', `"deep":${deep}`);
  assert.is(check(line, AUDIT, { lineBytesMax: 2_000_000, linesMax: 1 }).acceptable.length, 1);
});

it('every line is accounted for, whatever the lines are', () => {
  const json = fc.jsonValue({ maxDepth: 2 });
  const line = fc.record(
    {
      id: fc.oneof(
        fc.constant(`${WRITER}:audit:7`),
        fc.constant(`${LOG}:audit:gap:3-7`),
        fc.string({ minLength: 1 }),
      ),
      seq: fc.oneof(fc.constant(7), json),
      kind: fc.oneof(fc.constant('audit'), json),
      record: fc.oneof(fc.constant({}), json),
      gap: fc.oneof(fc.constant(notice().gap), json),
    },
    { requiredKeys: ['id'] },
  );
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (lines) => {
      const body = lines.map((one) => `${JSON.stringify(one)}\n`).join('');
      const { count, acceptable, rejected } = check(body, AUDIT, { lineBytesMax: 1e6, linesMax: 100 });
      assert.is(count, lines.length);
      assert.is(acceptable.length + rejected.length, count);
      for (const { reason } of rejected) assert.ok(reason.length <= 200);
    }),
  );
});

it.run();
