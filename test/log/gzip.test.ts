import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { crc32, gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deflate } from '../../lib/log/deflate.js';
import type { Piece } from '../../lib/log/gzip.js';
import { combineCrc32, crcOf, gzipOf, linesOf } from '../../lib/log/gzip.js';
import { flipped } from '../helpers/log.js';
import { skipIf } from '../helpers/skip.js';

const it = suite('log/gzip');

const texts = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  // Longer than deflate's window, and longer than one stored block.
  fc.integer({ min: 1, max: 70_000 }).map((length) => randomBytes(length)),
  fc
    .integer({ min: 1, max: 9000 })
    .map((count) => Buffer.from('{"a record":"much like another"}\n'.repeat(count))),
);
const mixes = fc.array(fc.tuple(texts, fc.boolean()), { maxLength: 8 });

async function pieceOf(lines: Buffer, deflated: boolean): Promise<Piece> {
  const stored = deflated ? await deflate(lines) : lines;
  return { codec: deflated ? 1 : 0, stored, lineBytes: lines.length, linesCrc: crc32(lines) };
}

async function piecesOf(
  mix: readonly (readonly [Buffer, boolean])[],
): Promise<{ pieces: Piece[]; lines: Buffer }> {
  const pieces = await Promise.all(mix.map(([lines, deflated]) => pieceOf(lines, deflated)));
  return { pieces, lines: Buffer.concat(mix.map(([lines]) => lines)) };
}

async function decompress(gzip: Buffer): Promise<Buffer> {
  const inflated = new Blob([gzip]).stream().pipeThrough(new DecompressionStream('gzip'));
  return Buffer.from(await new Response(inflated).arrayBuffer());
}

it('the CRC of two texts is combined as zlib computes it over both', () => {
  fc.assert(
    fc.property(texts, texts, (first, second) => {
      const both = crc32(Buffer.concat([first, second]));
      assert.is(combineCrc32(crc32(first), crc32(second), second.length), both);
    }),
  );
});

it('CRCs combine over lengths beyond 2^32 as over the same length in parts', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.maxSafeNat(), fc.maxSafeNat(), (first, second, a, b) => {
      const [m, n] = [Math.floor(a / 2), Math.floor(b / 2)];
      // Nothing but zeros behind `first`, whose CRC-32 register shifts the same at once or in two goes.
      const inParts = combineCrc32(combineCrc32(first, 0, m), 0, n);
      assert.is(combineCrc32(first, 0, m + n), inParts);
      assert.is(combineCrc32(first, second, m), (combineCrc32(first, 0, m) ^ second) >>> 0);
    }),
  );
});

it('a piece gives back its lines', async () => {
  await fc.assert(
    fc.asyncProperty(texts, fc.boolean(), async (lines, deflated) => {
      assert.equal(await linesOf(await pieceOf(lines, deflated)), lines);
    }),
  );
});

it('a piece with any bit changed, or cut, gives no lines', async () => {
  await fc.assert(
    fc.asyncProperty(texts, fc.boolean(), fc.nat(), async (lines, deflated, at) => {
      fc.pre(lines.length > 0);
      const piece = await pieceOf(lines, deflated);
      const stored = flipped(piece.stored, at % (piece.stored.length * 8));
      const changed = await linesOf({ ...piece, stored });
      // A flip in what deflate leaves unused may change nothing; it must never change the lines.
      assert.ok(changed === undefined || changed.equals(lines));
      assert.is(await linesOf({ ...piece, lineBytes: piece.lineBytes - 1 }), undefined);
      assert.is(await linesOf({ ...piece, linesCrc: piece.linesCrc ^ 1 }), undefined);
    }),
  );
});

it('the assembled body is the lines, byte for byte, with gunzip and DecompressionStream', async () => {
  await fc.assert(
    fc.asyncProperty(mixes, async (mix) => {
      const { pieces, lines } = await piecesOf(mix);
      const gzip = await gzipOf(pieces);
      assert.ok(gunzipSync(gzip).equals(lines));
      assert.ok((await decompress(gzip)).equals(lines));
      assert.is(crcOf(pieces), crc32(lines));
    }),
    { numRuns: 40 },
  );
});

it('the assembled body is one member: what follows it is not read as a second', async () => {
  const { pieces } = await piecesOf([
    [Buffer.from('one\n'), true],
    [Buffer.from('two\n'), false],
    [Buffer.from('three\n'), true],
  ]);
  const gzip = await gzipOf(pieces);
  assert.is(gzip.indexOf(Buffer.from([0x1f, 0x8b, 8]), 1), -1);
  assert.throws(() => gunzipSync(gzip.subarray(0, -9)), /unexpected end of file/);
});

it('stored pieces go into the body as they are: nothing is compressed a second time', async () => {
  const { pieces } = await piecesOf([
    [Buffer.from('one and one and one and one\n'), true],
    [Buffer.from('two and two and two and two\n'), true],
  ]);
  const body = (await gzipOf(pieces)).subarray(10, -10);
  assert.equal(body, Buffer.concat(pieces.map(({ stored }) => stored)));
});

const hasGzip = spawnSync('gzip', ['--version']).status === 0;
skipIf(it, !hasGzip && 'needs the gzip program')('gzip -t and gzip -dc take the assembled body', async () => {
  const samples = fc.sample(mixes, { numRuns: 15, seed: 20 });
  for (const mix of samples) {
    const { pieces, lines } = await piecesOf(mix);
    const input = await gzipOf(pieces);
    const tested = spawnSync('gzip', ['-t'], { input });
    assert.is(tested.status, 0, tested.stderr.toString());
    const unpacked = spawnSync('gzip', ['-dc'], { input, maxBuffer: 2 ** 24 });
    assert.is(unpacked.status, 0, unpacked.stderr.toString());
    assert.ok(unpacked.stdout.equals(lines));
  }
});

it.run();
