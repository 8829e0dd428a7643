// The checksum in LevelDB's files: CRC-32C, masked. Node's zlib has another polynomial.

const POLYNOMIAL = 0x82f63b78;
const CRC_BYTES = 4;
/** Bytes that are taken in one step. */
const STEP = 8;

/** By the distance of a byte from the end of a step. */
const TABLES: readonly Uint32Array[] = (() => {
  const tables = Array.from({ length: STEP }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[0]![byte] = crc;
  }
  for (let n = 1; n < STEP; n++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[n - 1]![byte]!;
      tables[n]![byte] = (before >>> 8) ^ tables[0]![before & 0xff]!;
    }
  }
  return tables;
})();
const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/** CRC-32C of a part of a buffer, `from` included, `to` excluded. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  let at = from;
  for (; at + STEP <= to; at += STEP) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      t7[crc & 0xff]! ^
      t6[(crc >>> 8) & 0xff]! ^
      t5[(crc >>> 16) & 0xff]! ^
      t4[crc >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = t0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** As it is stored: rotated and shifted, because a checksum of data that holds checksums says little. */
export function maskedCrc(bytes: Uint8Array, from: number, to: number): number {
  return masked(crc32c(bytes, from, to));
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/**
 * The first place behind `from` at which the checksum of all bytes in between is stored; `undefined` where there is
 * none. A wrong one is found in one of 2^32 places that `canEnd`, which is asked first, allows.
 */
export function findCrc(
  bytes: Buffer,
  from: number,
  canEnd: (lastByte: number) => boolean,
): number | undefined {
  let crc = -1;
  for (let at = from; at + 1 + CRC_BYTES <= bytes.length; at++) {
    const byte = bytes[at]!;
    crc = t0[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
    if (canEnd(byte) && bytes.readUInt32LE(at + 1) === masked(~crc >>> 0)) return at + 1;
  }
  return undefined;
}
