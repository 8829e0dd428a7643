// What a receipt proves, as tables.

import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prove } from '../../lib/ship/receipt.js';
import { SinkError } from '../../lib/ship/sink.js';
import { gapLine, recordId } from '../../lib/records.js';
import { batchOf, recordLines } from '../helpers/batch.js';

const it = suite('ship/receipt');

const WRITER = '0123456789ABCDEF';
const BATCH = batchOf(recordLines(3));
const idOf = (seq: number) => recordId(WRITER, 'audit', seq);
const rejecting = (...seqs: number[]) => seqs.map((seq) => ({ id: idOf(seq), reason: `no ${seq}` }));

async function failureOf(receipt: unknown, batch = BATCH): Promise<SinkError> {
  const error = await prove(batch, receipt).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, SinkError, `${inspect(receipt)} was taken for proof`);
  return error as SinkError;
}

it('what adds up to the batch proves it, however it is split between new and known lines', async () => {
  for (const receipt of [
    { accepted: 3 },
    { accepted: 0, duplicates: 3 },
    { accepted: 1, duplicates: 2, rejected: [] },
    { accepted: 3, duplicates: undefined, rejected: undefined },
  ]) {
    assert.equal(await prove(BATCH, receipt), []);
  }
});

it('counts that do not add up prove nothing', async () => {
  for (const receipt of [
    { accepted: 2 },
    { accepted: 4 },
    { accepted: 0 },
    { accepted: 3, duplicates: 1 },
    { accepted: 3, rejected: rejecting(1) },
    { accepted: 5, duplicates: -2 },
    { accepted: 2.5, duplicates: 0.5 },
    { accepted: NaN },
    { accepted: Infinity },
    { accepted: '3' },
    { accepted: 3n },
    { accepted: null },
    { duplicates: 3 },
    { accepted: 3, duplicates: null },
    { accepted: 3, rejected: null },
  ]) {
    const { failure } = await failureOf(receipt);
    assert.is(failure, 'unproven');
  }
});

it('what is no receipt proves nothing, and is no error of ours', async () => {
  for (const receipt of [undefined, null, true, 3, 'ok', [], {}, () => ({ accepted: 3 })]) {
    assert.is((await failureOf(receipt)).failure, 'unproven');
  }
});

it('rejected must be the batch’s own lines, each once and with a reason', async () => {
  const [first] = rejecting(1);
  for (const rejected of [
    [{ id: 'of another batch', reason: 'no' }],
    [{ id: idOf(4), reason: 'no' }],
    [{ id: idOf(1) }],
    [{ id: idOf(1), reason: undefined }],
    [{ id: 1, reason: 'no' }],
    [idOf(1)],
    [null],
    'x',
    { length: 1 },
  ]) {
    const { failure } = await failureOf({ accepted: 2, rejected });
    assert.is(failure, 'unproven', JSON.stringify(rejected));
  }
  assert.is((await failureOf({ accepted: 1, rejected: [first, first] })).failure, 'unproven');
});

it('the refused records come with their lines, in the order of the batch', async () => {
  const refused = await prove(BATCH, { accepted: 0, duplicates: 1, rejected: rejecting(3, 1) });
  const lines = recordLines(3).map((line) => line.trimEnd());
  assert.equal(refused, [
    { seq: 1, line: lines[0], reason: 'no 1' },
    { seq: 3, line: lines[2], reason: 'no 3' },
  ]);
});

it('a destination that rejects every record is no proof that the records are bad', async () => {
  assert.is((await failureOf({ accepted: 0, rejected: rejecting(1, 2, 3) })).failure, 'refused');
  const one = batchOf(recordLines(1));
  const error = await failureOf({ accepted: 0, rejected: rejecting(1) }, one);
  assert.is(error.failure, 'refused');
  assert.match(error.message, 'no 1');
});

it('a notice that is taken is no evidence against all the records beside it', async () => {
  const gap = gapLine('7Q2M4K9ZT0V5XW8B', 'audit', { from: 4, to: 9, reason: 'size', at: 1 });
  const batch = batchOf([...recordLines(3), gap]);
  assert.is((await failureOf({ accepted: 1, rejected: rejecting(1, 2, 3) }, batch)).failure, 'refused');
  assert.is((await prove(batch, { accepted: 2, rejected: rejecting(1, 2) })).length, 2);
});

it('a refused notice is never put aside: the sink must say that it takes none', async () => {
  const gap = gapLine('7Q2M4K9ZT0V5XW8B', 'audit', { from: 4, to: 9, reason: 'size', at: 1 });
  const batch = batchOf([...recordLines(3), gap]);
  const rejected = [{ id: '7Q2M4K9ZT0V5XW8B:audit:gap:4-9', reason: 'what is a gap?' }];
  const error = await failureOf({ accepted: 3, rejected }, batch);
  assert.is(error.failure, 'refused');
  assert.match(error.message, 'notices: false');
});

it.run();
