import { gunzipSync, inflateRawSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deflate } from '../../lib/log/deflate.js';

const it = suite('log/deflate');

const inflated = (piece: Buffer) => inflateRawSync(piece, { finishFlush: constants.Z_SYNC_FLUSH });

it('many at once each give their own bytes back', async () => {
  const texts = fc.array(fc.string({ minLength: 1, maxLength: 5000 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(texts, async (given) => {
      const pieces = await Promise.all(given.map((text) => deflate(Buffer.from(text))));
      assert.equal(pieces.map(inflated).map(String), given);
    }),
    { numRuns: 30, seed: 20 },
  );
});

it('a piece stands by itself, whatever its compressor did before', async () => {
  const bytes = Buffer.from('{"user":"somebody","status":200}\n'.repeat(500));
  const alone = await deflate(bytes);
  await deflate(Buffer.from('something else '.repeat(10_000)));
  const again = await deflate(bytes);
  assert.equal(inflated(again), bytes);
  assert.equal(inflated(Buffer.concat([again, alone])), Buffer.concat([bytes, bytes]));
});

it('a piece that deflates to more than the output buffer comes whole', async () => {
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, n) => (n * 2_654_435_761) >>> 24));
  const piece = await deflate(bytes);
  assert.equal(inflated(piece), bytes);
  const member = Buffer.concat([Buffer.from('1f8b08000000000000ff', 'hex'), piece]);
  assert.equal(gunzipSync(member, { finishFlush: constants.Z_SYNC_FLUSH }), bytes);
});

it.run();
