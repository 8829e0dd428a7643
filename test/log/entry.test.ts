import { crc32, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../lib/log/entry.js';
import { cutEntry, decodeEntry, encodeEntry, entrySize } from '../../lib/log/entry.js';
import { deflate } from '../../lib/log/deflate.js';
import { gzipOf, linesOf } from '../../lib/log/gzip.js';
import { keys } from '../../lib/log/keyspace.js';
import { recordLine } from '../../lib/records.js';
import { flipped } from '../helpers/log.js';

const it = suite('log/entry');

interface Given {
  texts: string[];
  firstSeq: number;
  offset: number;
  appendedAt: number;
  deflated: boolean;
}

const given: fc.Arbitrary<Given> = fc.record({
  texts: fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 40 }),
  firstSeq: fc.integer({ min: 1, max: 2 ** 52 }),
  offset: fc.maxSafeNat(),
  appendedAt: fc.integer({ min: 0, max: 8_640_000_000_000 }),
  deflated: fc.boolean(),
});

async function encoded({ texts, firstSeq, offset, appendedAt, deflated }: Given) {
  const lines = texts.map((text, n) => recordLine('W', 'log', firstSeq + n, JSON.stringify({ text })));
  const plain = Buffer.from(lines.join(''));
  const stored = deflated ? await deflate(plain) : plain;
  const codec: 0 | 1 = deflated ? 1 : 0;
  const piece = { codec, stored, lineBytes: plain.length, linesCrc: crc32(plain) };
  const lastSeq = firstSeq + texts.length - 1;
  return { lines, ...encodeEntry('log', lastSeq, texts.length, appendedAt, offset, piece) };
}

async function entryOf(sample: Given): Promise<Entry & { lines: string[] }> {
  const { key, value, lines } = await encoded(sample);
  const entry = decodeEntry('log', key, value);
  assert.ok(entry);
  return { ...entry, lines };
}

it('an entry comes back from its key and value as it was written', async () => {
  await fc.assert(
    fc.asyncProperty(given, async (sample) => {
      const { key, value, lines } = await encoded(sample);
      const entry = decodeEntry('log', key, value);
      assert.ok(entry);
      const { firstSeq, offset, appendedAt } = sample;
      const { kind, lastSeq, count, size } = entry;
      assert.equal(
        { kind, lastSeq, count, size, firstSeq: entry.firstSeq, offset: entry.offset, at: entry.appendedAt },
        {
          kind: 'log',
          lastSeq: firstSeq + lines.length - 1,
          count: lines.length,
          size: Buffer.byteLength(key) + value.length,
          firstSeq,
          offset,
          at: appendedAt,
        },
      );
      assert.is(size, entrySize(key, value));
      assert.is(String(await linesOf(entry)), lines.join(''));
    }),
  );
});

it('an entry is keyed by its last seq: the one that holds a seq is the first at or behind it', async () => {
  await fc.assert(
    fc.asyncProperty(given, fc.nat(), async (sample, at) => {
      const { key, lines } = await encoded(sample);
      const held = sample.firstSeq + (at % lines.length);
      assert.ok(key >= keys.entry('log', held));
      assert.ok(key < keys.entry('log', sample.firstSeq + lines.length));
    }),
  );
});

it('an entry with any single bit of its value changed is none', async () => {
  await fc.assert(
    fc.asyncProperty(given, fc.nat(), async (sample, at) => {
      const { key, value } = await encoded(sample);
      assert.is(decodeEntry('log', key, flipped(value, at % (value.length * 8))), undefined);
    }),
    { numRuns: 300 },
  );
});

it('an entry under the key of another is none', async () => {
  await fc.assert(
    fc.asyncProperty(given, async (sample) => {
      const { value } = await encoded(sample);
      assert.is(decodeEntry('log', keys.entry('log', 2 ** 53 - 1), value), undefined);
    }),
  );
});

it('a piece cut at any two lines holds exactly the lines between them', async () => {
  await fc.assert(
    fc.asyncProperty(given, fc.nat(), fc.nat(), async (sample, a, b) => {
      const entry = await entryOf(sample);
      const { lines, firstSeq } = entry;
      const start = a % lines.length;
      const end = start + (b % (lines.length - start));
      const piece = await cutEntry(entry, firstSeq + start, firstSeq + end);
      assert.ok(piece);
      const expected = lines.slice(start, end + 1).join('');
      assert.is(String(await linesOf(piece)), expected);
      assert.is(piece.lineBytes, Buffer.byteLength(expected));
    }),
  );
});

it('the whole of an entry is cut from it without inflating', async () => {
  const entry = await entryOf({ texts: ['a', 'b'], firstSeq: 5, offset: 0, appendedAt: 0, deflated: true });
  const piece = await cutEntry(entry, 5, 6);
  assert.is(piece?.stored, entry.stored);
  assert.is(piece?.codec, 1);
});

it('an entry cut in two makes the same body as the whole', async () => {
  const texts = ['ä', '\n', '"\\', '🧾', ' '];
  const entry = await entryOf({ texts, firstSeq: 1, offset: 0, appendedAt: 0, deflated: true });
  for (let at = 1; at < texts.length; at++) {
    const pieces = [await cutEntry(entry, 1, at), await cutEntry(entry, at + 1, texts.length)];
    assert.ok(pieces[0] && pieces[1]);
    assert.is(String(gunzipSync(await gzipOf([pieces[0], pieces[1]]))), entry.lines.join(''));
  }
});

it('lines that are not what was encoded give no cut', async () => {
  const entry = await entryOf({
    texts: ['a', 'b', 'c'],
    firstSeq: 1,
    offset: 0,
    appendedAt: 0,
    deflated: false,
  });
  assert.is(await cutEntry({ ...entry, stored: flipped(entry.stored, 3) }, 1, 2), undefined);
});

it.run();
