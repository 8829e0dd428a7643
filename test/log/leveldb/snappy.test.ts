// Against LevelDB's own snappy: it stores the same rows packed and plain, block by block.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unpack } from '../../../lib/log/leveldb/snappy.js';
import { layoutOf } from '../../../lib/log/leveldb/table.js';
import { varint } from '../../../lib/log/leveldb/varint.js';
import { withFolder } from '../../helpers/folder.js';
import { fileOf, flippedAt, keyOf, makeTables, noise, randomRows } from './database.js';

const it = suite('log/leveldb/snappy');

const seed = Number(process.env['WAL_SEED'] ?? 20_261_124);
process.stdout.write(`log/leveldb/snappy: WAL_SEED=${seed}\n`);

/** What LevelDB has packed, and what it stores where it packs nothing. */
async function withBlocks(use: (blocks: readonly [packed: Buffer, plain: Buffer][]) => void): Promise<void> {
  await withFolder(async (folder) => {
    const rows = randomRows(seed);
    const blocks: Buffer[][] = [];
    for (const packed of [true, false]) {
      const dir = join(folder, String(packed));
      await makeTables(dir, rows, packed);
      const { content } = await fileOf(dir, /\.ldb$/);
      blocks.push(
        layoutOf(content)!.data.map(({ offset, size }) => content.subarray(offset, offset + size + 1)),
      );
    }
    const [ofPacked, ofPlain] = blocks as [Buffer[], Buffer[]];
    assert.is(ofPacked.length, ofPlain.length);
    const pairs = ofPacked.map((block, n) => [block, ofPlain[n]!] as const);
    // Behind each block stands how it is stored.
    const wherePacked = pairs.filter(([block]) => block.at(-1) === 1);
    assert.ok(wherePacked.length > 30 && wherePacked.length < pairs.length);
    use(wherePacked.map(([block, plain]) => [block.subarray(0, -1), plain.subarray(0, -1)]));
  });
}

it('unpacks every block that LevelDB has packed', async () => {
  await withBlocks((blocks) => {
    for (const [n, [packed, plain]] of blocks.entries()) assert.equal(unpack(packed), plain, `block ${n}`);
  });
});

it('unpacks what packs best: the bound on its memory is not in the way', async () => {
  await withFolder(async (dir) => {
    const zeros = Buffer.alloc(1_048_576);
    await makeTables(dir, [[keyOf(0), zeros]], true);
    const { content } = await fileOf(dir, /\.ldb$/);
    const { offset, size } = layoutOf(content)!.data[0]!;
    assert.ok(size < zeros.length / 20);
    assert.ok(unpack(content.subarray(offset, offset + size))!.includes(zeros));
  });
});

it('of a block that is damaged anywhere, there is nothing, or as many other bytes as it says', async () => {
  await withBlocks((blocks) => {
    let nothing = 0;
    for (const [packed, plain] of blocks.filter((_, n) => n % 5 === 0)) {
      const places = Array.from({ length: Math.min(packed.length, 80) }, (_, n) =>
        n < 10 ? n : Math.floor((n / 80) * packed.length),
      );
      for (const at of places) {
        const unpacked = unpack(flippedAt(packed, at));
        if (unpacked === undefined) nothing++;
        // The first bytes are the length.
        else if (at > 2) assert.is(unpacked.length, plain.length);
        assert.is(unpack(packed.subarray(0, at)), undefined, `cut at ${at}`);
      }
      assert.is(unpack(Buffer.concat([packed, Buffer.from([0, 65])])), undefined, 'longer than it says');
    }
    assert.ok(nothing > 30);
  });
});

const LITERAL_ABC = [2 << 2, 97, 98, 99];

it('takes every kind of element', () => {
  const long = noise(0, 70_000);
  const cases: [says: string, bytes: number, packed: (number | Buffer)[], unpacked: Buffer | string][] = [
    ['nothing', 0, [], ''],
    ['a literal', 3, LITERAL_ABC, 'abc'],
    ['a length of one byte', 61, [60 << 2, 60, long.subarray(0, 61)], long.subarray(0, 61)],
    ['of two', 300, [61 << 2, 43, 1, long.subarray(0, 300)], long.subarray(0, 300)],
    ['of three', 70_000, [62 << 2, 0x6f, 0x11, 1, long], long],
    ['of four', 70_000, [63 << 2, 0x6f, 0x11, 1, 0, long], long],
    ['a copy of one byte', 7, [...LITERAL_ABC, 1, 3], 'abcabca'],
    [
      'a copy of one byte, further',
      304,
      [61 << 2, 43, 1, Buffer.alloc(300, 'ab'), 0x21, 44],
      'ab'.repeat(152),
    ],
    ['of two bytes', 5, [...LITERAL_ABC, (1 << 2) | 2, 2, 0], 'abcbc'],
    ['of four bytes', 67, [...LITERAL_ABC, (63 << 2) | 3, 1, 0, 0, 0], `abc${'c'.repeat(64)}`],
  ];
  for (const [says, bytes, packed, unpacked] of cases) {
    const parts = packed.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part));
    assert.equal(unpack(Buffer.concat([varint(bytes), ...parts])), Buffer.from(unpacked), says);
  }
});

it('says nothing of what snappy never writes, and takes no memory for it', () => {
  const cases: [says: string, packed: number[]][] = [
    ['no length', []],
    ['a length without an end', [0x80, 0x80]],
    ['four gigabytes of three bytes', [0xff, 0xff, 0xff, 0xff, 0x0f, ...LITERAL_ABC]],
    ['more than a length can be', [...Array.from({ length: 9 }, () => 0xff), 0x7f]],
    ['a copy of nothing', [7, ...LITERAL_ABC, 1, 0]],
    ['a copy from before the first byte', [7, ...LITERAL_ABC, 1, 4]],
    ['a copy first', [4, 1, 1]],
    ['a copy without its distance', [7, ...LITERAL_ABC, 1]],
    ['a literal without its end', [4, 3 << 2, 97]],
    ['a literal without its length', [4, 63 << 2, 1, 0]],
    ['a literal of four gigabytes', [4, 63 << 2, 0xff, 0xff, 0xff, 0xff, 97]],
    ['less than its length', [4, ...LITERAL_ABC]],
    ['more than its length', [2, ...LITERAL_ABC]],
    ['a copy beyond its length', [6, ...LITERAL_ABC, 1, 3]],
  ];
  for (const [says, packed] of cases) assert.is(unpack(Buffer.from(packed)), undefined, says);
});

it.run();
