// One gzip member out of stored pieces, without inflating any of them. Pure but for zlib's thread pool.
//
// A deflated piece ends in a full flush instead of a final block, so pieces can stand one after another:
// header, pieces, an empty final block, and a trailer whose CRC is the combination of the pieces' CRCs.

import { promisify } from 'node:util';
import zlib, { crc32 } from 'node:zlib';
import { deflate } from './deflate.js';

const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);

/** Lines as they are stored: `codec` 0 plain, 1 raw deflate that ends in a full flush. */
export interface Piece {
  codec: 0 | 1;
  stored: Buffer;
  /** Bytes of the lines before deflating. */
  lineBytes: number;
  /** CRC-32 of the lines before deflating. */
  linesCrc: number;
}

/** Magic, deflate, no flags, no time, no extra flags, unknown system. */
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** A final block of fixed codes that holds nothing but its end. */
const FINAL_BLOCK = Buffer.from([0x03, 0x00]);

/** The lines of a piece; `undefined` where they are not what its CRC and length say. */
export async function linesOf(piece: Piece): Promise<Buffer | undefined> {
  let lines = piece.stored;
  if (piece.codec === 1) {
    try {
      lines = await inflateRaw(piece.stored, {
        // A piece has no final block; the lines are all there after its flush.
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
        maxOutputLength: Math.max(piece.lineBytes, 1),
      });
    } catch {
      return undefined;
    }
  }
  return lines.length === piece.lineBytes && crc32(lines) === piece.linesCrc ? lines : undefined;
}

/**
 * All pieces' lines as one gzip member. Neighbouring plain pieces are deflated together on the way. `allocate`: where it
 * is written to, of at least so many bytes.
 */
export async function gzipOf(
  pieces: readonly Piece[],
  allocate = (bytes: number): Buffer => Buffer.allocUnsafe(bytes),
): Promise<Buffer> {
  const parts: Buffer[] = [GZIP_HEADER];
  let crc = 0;
  let bytes = 0;
  let plain: Buffer[] = [];
  const flushPlain = async () => {
    if (plain.length === 0) return;
    const lines = plain.length === 1 ? plain[0]! : Buffer.concat(plain);
    plain = [];
    parts.push(await deflate(lines));
  };
  for (const piece of pieces) {
    if (piece.codec === 0) {
      plain.push(piece.stored);
    } else {
      await flushPlain();
      parts.push(piece.stored);
    }
    crc = combineCrc32(crc, piece.linesCrc, piece.lineBytes);
    bytes += piece.lineBytes;
  }
  await flushPlain();
  const trailer = Buffer.allocUnsafe(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(bytes % 2 ** 32, 4);
  parts.push(FINAL_BLOCK, trailer);
  const memory = allocate(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    memory.set(part, at);
    at += part.length;
  }
  return memory.subarray(0, at);
}

/** The CRC-32 of all the pieces' lines, one after another. */
export function crcOf(pieces: readonly Piece[]): number {
  return pieces.reduce((crc, piece) => combineCrc32(crc, piece.linesCrc, piece.lineBytes), 0);
}

/** CRC-32's polynomial, reflected. */
const POLYNOMIAL = 0xedb88320;

/** The product of two polynomials modulo CRC-32's, reflected: bit 31 is x^0. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0x80000000; ; bit >>>= 1) {
    if (a & bit) {
      product ^= b;
      // Bits of `a` below this one: none left, done.
      if ((a & (bit - 1)) === 0) return product >>> 0;
    }
    if (bit === 1) return product >>> 0;
    b = b & 1 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1;
  }
}

/** x^(2^n) for n from 0 to 31, modulo the polynomial. */
const POWERS = (() => {
  const powers: number[] = [0x40000000];
  for (let n = 1; n < 32; n++) powers.push(multiply(powers[n - 1]!, powers[n - 1]!));
  return powers;
})();

/** The CRC-32 of two texts one after another, from the CRC of each and the bytes of the second (zlib's crc32_combine). */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  // Appending n bytes multiplies by x^(8n): square and multiply over the bits of n, from x^(2^3) on.
  let shift = 0x80000000;
  for (let n = secondBytes, k = 3; n > 0; n = Math.floor(n / 2), k++) {
    if (n % 2 === 1) shift = multiply(POWERS[k % 32]!, shift);
  }
  return (multiply(shift, first) ^ second) >>> 0;
}
