import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ENTRY_LINE_BYTES_MAX, ENTRY_RECORDS_MAX } from '../../lib/log/entry.js';
import { Lines } from '../../lib/log/lines.js';
import { recordLine } from '../../lib/records.js';
import { numbers } from '../helpers/log.js';

const it = suite('log/lines');

const WRITER = '0123456789ABCDEF';

it('each line is the one that its record has on the wire, also where a seq gets another digit', () => {
  for (const firstSeq of [1, 8, 95, 989, 1_999_990, Number.MAX_SAFE_INTEGER - 300]) {
    const lines = new Lines(WRITER, 'a-9_log', firstSeq, 100_000);
    const jsons = numbers(1, 120).map((n) =>
      JSON.stringify({ n, text: '"id":"ä€😀","seq":9'.repeat(n % 3) }),
    );
    for (const json of jsons) assert.ok(lines.add(json));
    const expected = jsons.map((json, n) => recordLine(WRITER, 'a-9_log', firstSeq + n, json));
    assert.is(String(lines.bytes), expected.join(''));
    assert.is(lines.count, 120);
    assert.is(lines.lastSeq, firstSeq + 119);
  }
});

it('they may have more bytes than was expected', () => {
  const lines = new Lines(WRITER, 'log', 1, 0);
  const jsons = numbers(1, 100).map((n) => JSON.stringify({ text: '€'.repeat(n) }));
  for (const json of jsons) assert.ok(lines.add(json));
  const expected = jsons.map((json, n) => recordLine(WRITER, 'log', 1 + n, json));
  assert.is(String(lines.bytes), expected.join(''));
});

it('they are full with 512 records', () => {
  const lines = new Lines(WRITER, 'log', 1, 1000);
  for (let n = 0; n < ENTRY_RECORDS_MAX; n++) assert.ok(lines.add('{}'));
  assert.not(lines.add('{}'));
  assert.is(lines.count, ENTRY_RECORDS_MAX);
});

it('they are full with 256 KiB, to the byte, unless the first alone has more', () => {
  const around = recordLine(WRITER, 'log', 1, '').length;
  const jsonOf = (bytes: number) => JSON.stringify({ text: 'x'.repeat(bytes - '{"text":""}'.length) });
  const half = ENTRY_LINE_BYTES_MAX / 2 - around;
  const lines = new Lines(WRITER, 'log', 1, 1000);
  assert.ok(lines.add(jsonOf(half)));
  assert.not(lines.add(jsonOf(half + 1)));
  assert.ok(lines.add(jsonOf(half)));
  assert.is(lines.bytes.length, ENTRY_LINE_BYTES_MAX);
  assert.not(lines.add('{}'));
  const large = new Lines(WRITER, 'log', 1, 1000);
  assert.ok(large.add(jsonOf(ENTRY_LINE_BYTES_MAX)));
  assert.not(large.add('{}'));
  assert.is(large.bytes.length, ENTRY_LINE_BYTES_MAX + around);
});

it.run();
