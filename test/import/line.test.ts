import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { importLine } from '../../lib/import/line.js';

const it = suite('import/line');

function policyOf(kind: string) {
  if (kind === 'log' || kind === 'audit') return { maxRecordBytes: 200 };
  throw new WalError('WAL_UNKNOWN_KIND', `no stream '${kind}'`);
}

function taken(text: string, kind?: string) {
  const line = importLine(text, kind, policyOf);
  assert.ok(line, text);
  return line;
}

it('a line that says its kind is of that kind, whatever else is asked for', () => {
  const line = '{"kind":"audit","record":{"a":1}}';
  assert.equal(taken(line), { kind: 'audit', json: '{"a":1}' });
  assert.equal(taken(line, 'log'), { kind: 'audit', json: '{"a":1}' });
});

it('the older gateway’s line is its blob, of the kind that is asked for', () => {
  assert.equal(taken('{"appendedAt":1760731623450,"blob":{"meta":{"ts":1}}}', 'audit'), {
    kind: 'audit',
    json: '{"meta":{"ts":1}}',
  });
});

it('a line of a dump is its record, of its own kind; a notice is nothing to import', () => {
  const line = { id: 'w:audit:7', seq: 7, kind: 'audit', record: { a: 1 }, appendedAt: 1 };
  assert.equal(taken(JSON.stringify(line), 'log'), { kind: 'audit', json: '{"a":1}' });
  assert.equal(taken(JSON.stringify({ ...line, resendOf: 'w:audit:3' })), { kind: 'audit', json: '{"a":1}' });
  const gap = { from: 1, to: 7, reason: 'size', at: 1 };
  const notice = JSON.stringify({ id: 'l:audit:gap:1-7', seq: 7, kind: 'audit', gap, appendedAt: 1 });
  assert.is(importLine(notice, 'log', policyOf), undefined);
});

it('any other object is a record, of the kind that is asked for', () => {
  const plain = [
    '{"a":1}',
    '{}',
    '{"kind":"audit"}',
    '{"kind":"audit","record":{"a":1},"more":1}',
    '{"kind":7,"record":{}}',
    '{"kind":"audit","record":"text"}',
    '{"appendedAt":1,"blob":"text"}',
    '{"appendedAt":1,"blob":{},"more":1}',
  ];
  for (const line of plain) assert.equal(taken(line, 'log'), { kind: 'log', json: line });
});

it('a line that does not say its kind needs one', () => {
  for (const line of ['{"a":1}', '{"appendedAt":1,"blob":{}}']) {
    assert.throws(() => taken(line), /does not say its kind/);
  }
});

it('no number loses digits, and nothing else is written anew', () => {
  const record = '{"id":12345678901234567890,"cost":0.10,"e":1E2,"text":"\\u00e4\\/","é":"ä"}';
  assert.equal(taken(record, 'log').json, record);
  assert.equal(taken(`{"kind":"log","record":${record}}`).json, record);
  assert.equal(taken(`{"appendedAt":1,"blob":${record}}`, 'log').json, record);
});

it('white space around is no part of a record', () => {
  assert.is(taken(' \t{"a":1}\r', 'log').json, '{"a":1}');
  assert.is(taken('{ "kind" : "log" , "record" : {"a": 1} }\r').json, '{"a": 1}');
  assert.is(taken('  { "appendedAt" : 1.5e3 , "blob" : { "a":1 } }  ', 'log').json, '{ "a":1 }');
});

it('a line whose writer wrote it otherwise is a record all the same', () => {
  assert.equal(taken('{"record":{"a":1},"kind":"log"}'), { kind: 'log', json: '{"a":1}' });
  assert.equal(taken('{"\\u006bind":"log","record":{"a":1}}'), { kind: 'log', json: '{"a":1}' });
  assert.equal(taken('{"blob":{"a":1},"appendedAt":"2026"}', 'log'), { kind: 'log', json: '{"a":1}' });
});

it('a line that names a part twice is what JSON.parse makes of it, and no more', () => {
  const twice = [
    '{"kind":"log","record":{"a":1},"record":{"b":2}}',
    '{"kind":"audit","record":{"a":1},"kind":"log","record":{"b":2}}',
    '{"appendedAt":1,"blob":{"a":1},"blob":{"b":2}}',
  ];
  for (const line of twice) assert.equal(taken(line, 'log'), { kind: 'log', json: '{"b":2}' });
});

it('a record that is longer only by white space and escapes is taken, shorter', () => {
  const spaced = `{"a":1${' '.repeat(300)}}`;
  assert.is(taken(spaced, 'log').json, '{"a":1}');
});

it('what is no record says why', () => {
  const cases: [line: string, says: RegExp][] = [
    ['{"a":', /not JSON/],
    ['not json', /not JSON/],
    ['[1]', /not a JSON object/],
    ['"text"', /not a JSON object/],
    ['null', /not a JSON object/],
    ['7', /not a JSON object/],
    ['{"a":1}{"b":2}', /not JSON/],
    ['\uFEFF{"a":1}', /not JSON/],
    ['{"kind":"bills","record":{}}', /no stream 'bills'/],
    [`{"text":"${'x'.repeat(300)}"}`, /its stream takes at most 200/],
    [`{"kind":"audit","record":{"text":"${'x'.repeat(300)}"}}`, /'audit'.*at most 200/],
  ];
  for (const [line, says] of cases) assert.throws(() => taken(line, 'log'), says);
  assert.throws(() => taken('{"a":1}', 'bills'), /no stream 'bills'/);
});

it.run();
