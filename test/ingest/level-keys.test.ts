import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { idOfKey, keys, keysBelow, logIdOfKey, seal, seqOfKey, unseal } from '../../lib/ingest/level-keys.js';
import { gapId, recordId } from '../../lib/records.js';

const it = suite('ingest/level-keys');

const seqs = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const kinds = fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/);
const keyOf = (seq: number) => keys.line('log', recordId('0123456789ABCDEF', 'log', seq));
const logIds = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

it('a key of a line says its id again', () => {
  fc.assert(
    fc.property(kinds, logIds, seqs, seqs, (kind, logId, from, to) => {
      for (const id of [recordId('0123456789ABCDEF', kind, to), gapId(logId, kind, { from, to })]) {
        assert.is(idOfKey(keys.line(kind, id)), id);
      }
    }),
  );
});

it('keys of one writer are in the order of their seqs', () => {
  fc.assert(fc.property(seqs, seqs, (a, b) => assert.is(keyOf(a) < keyOf(b), a < b)));
});

it('a key of a range says its log and its seq again', () => {
  fc.assert(
    fc.property(kinds, logIds, seqs, (kind, logId, from) => {
      const key = keys.range(kind, logId, from);
      assert.is(logIdOfKey(key), logId);
      assert.is(seqOfKey(key), from);
    }),
  );
});

it('the keys of one kind are not those of another that begins the same', () => {
  const { gte, lt } = keysBelow('line/log/');
  const within = (key: string) => key >= gte && key < lt;
  assert.ok(within(keys.line('log', '0123456789ABCDEF:log:1')));
  assert.not(within(keys.line('log2', '0123456789ABCDEF:log2:1')));
  assert.not(within(keys.line('lo', '0123456789ABCDEF:lo:1')));
  assert.not(within(keys.line('log-', '0123456789ABCDEF:log-:1')));
});

it('a flipped bit anywhere in key or value breaks the seal', () => {
  const content = Buffer.from('{"a":1}');
  const value = seal('line/a/b', content);
  assert.equal(unseal('line/a/b', value), content);
  assert.is(unseal('line/a/c', value), undefined);
  for (let bit = 0; bit < value.length * 8; bit++) {
    const damaged = Buffer.from(value);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(unseal('line/a/b', damaged), undefined);
  }
  assert.is(unseal('line/a/b', value.subarray(0, 3)), undefined);
});

it.run();
