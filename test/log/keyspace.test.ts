import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { KeyRange } from '../../lib/log/keyspace.js';
import {
  entriesAfter,
  keys,
  parseKey,
  seal,
  sectionRange,
  seqOfKey,
  unseal,
  unsealOrThrow,
} from '../../lib/log/keyspace.js';
import { KIND_PATTERN } from '../../lib/records.js';
import { flipped, withStore } from '../helpers/log.js';

const it = suite('log/keyspace');

const kinds = fc.stringMatching(KIND_PATTERN);
const seqs = fc.oneof(
  fc.integer({ min: 1, max: 1e6 }),
  fc.maxSafeInteger().filter((seq) => seq > 0),
);
const gone = fc.dictionary(fc.constantFrom('size', 'age', 'corrupt'), fc.nat(), { noNullPrototype: true });
const contents = fc.oneof(
  fc.record({ seq: fc.nat(), offset: fc.maxSafeNat(), gone }, { noNullPrototype: true }),
  fc.array(fc.oneof(fc.maxSafeNat(), fc.string(), fc.double({ noNaN: true }))),
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.string(),
  fc.nat(),
);

function within(key: string, { gte, lt }: KeyRange): boolean {
  return key >= gte && key < lt;
}

it('the order of keys is the order of seqs', () => {
  fc.assert(
    fc.property(kinds, seqs, seqs, (kind, a, b) => {
      for (const key of [keys.entry, keys.notice]) {
        assert.is(Math.sign(Buffer.from(key(kind, a)).compare(Buffer.from(key(kind, b)))), Math.sign(a - b));
      }
    }),
  );
});

it('a key gives back its section, kind and name', () => {
  fc.assert(
    fc.property(kinds, kinds, seqs, (kind, shipper, seq) => {
      assert.equal(parseKey(keys.cursor(kind, shipper)), { section: 'cursor', kind, name: shipper });
      assert.equal(parseKey(keys.head(kind)), { section: 'head', kind, name: '' });
      for (const section of ['entry', 'notice'] as const) {
        const key = keys[section](kind, seq);
        assert.is(parseKey(key)?.section, section);
        assert.is(parseKey(key)?.kind, kind);
        assert.is(seqOfKey(key), seq);
      }
      assert.match(keys.quarantine(kind, shipper, seq), `!${shipper}:`);
    }),
  );
});

it('a key that ends in no seq has none', () => {
  for (const key of [
    keys.head('log'),
    keys.meta('format'),
    '!entry!!log!123',
    '!entry!!log!00000000000000x1',
  ]) {
    assert.ok(Number.isNaN(seqOfKey(key)), key);
  }
});

it('a range holds all the keys of its kind and none of another, whatever the kinds are called', () => {
  fc.assert(
    fc.property(kinds, kinds, seqs, (kind, other, seq) => {
      fc.pre(kind !== other);
      assert.ok(within(keys.entry(kind, seq), sectionRange('entry', kind)));
      assert.ok(within(keys.entry(kind, seq), sectionRange('entry')));
      assert.not(within(keys.entry(other, seq), sectionRange('entry', kind)));
      assert.not(within(keys.notice(kind, seq), sectionRange('entry', kind)));
      assert.ok(within(keys.entry(kind, seq), entriesAfter(kind, seq - 1)));
      assert.not(within(keys.entry(kind, seq), entriesAfter(kind, seq)));
      assert.not(within(keys.entry(other, seq), entriesAfter(kind, 0)));
    }),
  );
});

it('the keys are those of abstract-level sublevels, so that any LevelDB tool can list a part of the log', async () => {
  const { Level } = await import('level');
  await withStore(async (store, dir) => {
    await store.commit(
      new Map([
        [keys.entry('audit', 7), Buffer.from('entry')],
        [keys.cursor('audit', 'default'), Buffer.from('cursor')],
        [keys.meta('format'), Buffer.from('format')],
      ]),
    );
    await store.close();
    const db = new Level<string, string>(dir);
    assert.is(await db.sublevel(['entry', 'audit']).get('0000000000000007'), 'entry');
    assert.is(await db.sublevel(['cursor', 'audit']).get('default'), 'cursor');
    assert.is(await db.sublevel('meta').get('format'), 'format');
    await db.close();
  });
});

it('what is sealed under a key comes back under that key', () => {
  fc.assert(
    fc.property(fc.string(), contents, (key, content) => {
      assert.equal(unseal(key, seal(key, content)), content);
    }),
  );
});

it('a value with any single bit changed is no value', () => {
  fc.assert(
    fc.property(kinds, seqs, contents, fc.nat(), (kind, seq, content, at) => {
      const key = keys.entry(kind, seq);
      const value = seal(key, content);
      assert.is(unseal(key, flipped(value, at % (value.length * 8))), undefined);
    }),
    { numRuns: 1000 },
  );
});

it('a value under a key with any single bit changed is no value', () => {
  fc.assert(
    fc.property(kinds, seqs, contents, fc.nat(), (kind, seq, content, at) => {
      const key = keys.entry(kind, seq);
      const value = seal(key, content);
      const changed = flipped(Buffer.from(key), at % (key.length * 8)).toString('latin1');
      assert.is(unseal(changed, value), undefined);
    }),
  );
});

it('a value under another seq or kind is no value', () => {
  fc.assert(
    fc.property(seqs, seqs, contents, (a, b, content) => {
      fc.pre(a !== b);
      const value = seal(keys.entry('log', a), content);
      assert.is(unseal(keys.entry('log', b), value), undefined);
      assert.is(unseal(keys.entry('audit', a), value), undefined);
    }),
  );
});

it('a value that was cut short is no value', () => {
  const value = seal('key', { seq: 1, line: 'something longer' });
  for (let length = 0; length < value.length; length++) {
    assert.is(unseal('key', value.subarray(0, length)), undefined, `${length} bytes`);
  }
});

it('WAL_CORRUPT names the key', () => {
  const key = keys.cursor('audit', 'default');
  assert.throws(
    () => unsealOrThrow(key, flipped(seal(key, { seq: 20 }), 70)),
    (error: unknown) =>
      error instanceof WalError && error.code === 'WAL_CORRUPT' && error.message.includes(key),
  );
});

it.run();
