// How a batch is cut into messages.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gapLine } from '../../../lib/records.js';
import { linesIn, seqOf } from '../../../lib/ship/sinks/jetstream/line.js';
import { recordLines } from '../../helpers/batch.js';

const it = suite('ship/sinks/jetstream-line');

it('records and notices are found with their ids, seqs and bytes', () => {
  const notice = gapLine('7Q2M4K9ZT0V5XW8B', 'audit', { from: 3, to: 9, reason: 'size', at: 1 });
  const texts = [...recordLines(2), notice];
  const lines = linesIn(Buffer.from(texts.join('')));
  assert.equal(
    lines.map(({ bytes }) => `${String(bytes)}\n`),
    texts,
  );
  assert.equal(
    lines.map(({ id, seq }) => [id, seq]),
    [
      ['0123456789ABCDEF:audit:1', 1],
      ['0123456789ABCDEF:audit:2', 2],
      ['7Q2M4K9ZT0V5XW8B:audit:gap:3-9', 9],
    ],
  );
  for (const { id, seq } of lines) assert.is(seqOf(id), seq);
});

it('an id of something else has no seq, and a body that is not lines is none', () => {
  for (const id of ['', 'order-', 'a:b:c', '12']) assert.is(seqOf(id), undefined);
  assert.throws(() => linesIn(Buffer.from('{"id":"a:b:1","seq":1,"x":1}')), 'no end');
  assert.throws(() => linesIn(Buffer.from('{"seq":1}\n')), 'does not begin');
});

it.run();
