import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c, findCrc, maskedCrc } from '../../../lib/log/leveldb/checksum.js';

const it = suite('log/leveldb/checksum');

// RFC 3720, B.4, and the check value of the catalogue of CRCs.
const VECTORS: [bytes: Buffer, crc: number][] = [
  [Buffer.from('123456789'), 0xe3069283],
  [Buffer.alloc(32), 0x8a9136aa],
  [Buffer.alloc(32, 0xff), 0x62a8ab43],
  [Buffer.from(Array.from({ length: 32 }, (_, n) => n)), 0x46dd794e],
  [Buffer.alloc(0), 0],
];

it('is CRC-32C', () => {
  for (const [bytes, crc] of VECTORS) assert.is(crc32c(bytes, 0, bytes.length), crc);
});

it('of a part is that of the part alone, wherever it begins', () => {
  const bytes = Buffer.from('123456789');
  for (let pad = 0; pad < 17; pad++) {
    const padded = Buffer.concat([Buffer.alloc(pad, 7), bytes, Buffer.alloc(5, 9)]);
    assert.is(crc32c(padded, pad, pad + 9), 0xe3069283);
  }
});

it('is masked as LevelDB does', () => {
  const bytes = Buffer.from('123456789');
  const crc = 0xe3069283n;
  const rotated = ((crc >> 15n) | (crc << 17n)) & 0xffff_ffffn;
  assert.is(maskedCrc(bytes, 0, 9), Number((rotated + 0xa282ead8n) & 0xffff_ffffn));
});

it('finds the end of what its masked checksum stands behind', () => {
  const content = Buffer.from('123456789\0');
  const bytes = Buffer.concat([Buffer.from('before'), content, Buffer.alloc(4), Buffer.from('behind')]);
  const end = 6 + content.length;
  bytes.writeUInt32LE(maskedCrc(bytes, 6, end), end);
  const isZero = (byte: number) => byte === 0;
  assert.is(findCrc(bytes, 6, isZero), end);
  assert.is(findCrc(bytes.subarray(0, end + 4), 6, isZero), end);
  assert.is(findCrc(bytes.subarray(0, end + 3), 6, isZero), undefined);
  assert.is(
    findCrc(bytes, 6, (byte) => byte === 1),
    undefined,
    'it may not end there',
  );
  assert.is(findCrc(bytes, 5, isZero), undefined);
  assert.is(findCrc(bytes, bytes.length, isZero), undefined);
});

it.run();
