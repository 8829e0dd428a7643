// The keys of the receiver's LevelDB, and the seal on every value. Pure: knows no database.

import { crc32 } from 'node:zlib';

/** One step up for every change of what is on disk. */
export const FORMAT = 1;

const SEQ_DIGITS = 16;
/** Bytes of the seal: a CRC-32 of key and content in front of the content, big-endian. */
const SEAL_BYTES = 4;
const LAST_NUMBER = /\d+$/;

/**
 * | key | value |
 * | --- | --- |
 * | `format` | the version, decimal |
 * | `line/<kind>/<id, its last number padded>` | the line as received |
 * | `count/<kind>` | how many lines there are, decimal |
 * | `range/<kind>/<log id>/<from, padded>` | up to which seq everything from `from` has arrived, decimal |
 * | `log/<kind>/<log id>` | `{ service, instance }` as JSON |
 *
 * Padded numbers make the order of keys the order of seqs: what a log sends is written in ascending keys,
 * which LevelDB compacts by moving tables instead of merging them.
 */
export const keys = {
  format: 'format',
  /** What the keys of a log's notices begin with. */
  notices: (kind: string, logId: string) => `line/${kind}/${logId}:${kind}:gap:`,
  line: (kind: string, id: string) => `line/${kind}/${id.replace(LAST_NUMBER, padded)}`,
  count: (kind: string) => `count/${kind}`,
  range: (kind: string, logId: string, from: number) => `range/${kind}/${logId}/${padded(from)}`,
  log: (kind: string, logId: string) => `log/${kind}/${logId}`,
};

/** All keys that begin so. `prefix` ends in ASCII, `/` or `:` say. */
export function keysBelow(prefix: string): { gte: string; lt: string } {
  const last = prefix.charCodeAt(prefix.length - 1);
  return { gte: prefix, lt: `${prefix.slice(0, -1)}${String.fromCharCode(last + 1)}` };
}

/** The id in a key of `line`. */
export function idOfKey(key: string): string {
  return key.slice(key.indexOf('/', 'line/'.length) + 1).replace(LAST_NUMBER, String(seqOfKey(key)));
}

/** The log id in a key of `range`. */
export function logIdOfKey(key: string): string {
  return key.slice(key.indexOf('/', 'range/'.length) + 1, key.lastIndexOf('/'));
}

/** The number that a key of `line` or `range` ends in. */
export function seqOfKey(key: string): number {
  return Number(LAST_NUMBER.exec(key)?.[0]);
}

/** LevelDB does not check what it reads: a flipped byte would come back as another value. */
export function seal(key: string, content: Buffer): Buffer {
  const value = Buffer.allocUnsafe(SEAL_BYTES + content.length);
  value.writeUInt32BE(crc32(content, crc32(key)), 0);
  content.copy(value, SEAL_BYTES);
  return value;
}

/** What was sealed under this key, or `undefined` where the value is not what was written. */
export function unseal(key: string, value: Buffer): Buffer | undefined {
  if (value.length < SEAL_BYTES) return undefined;
  const content = value.subarray(SEAL_BYTES);
  return value.readUInt32BE(0) === crc32(content, crc32(key)) ? content : undefined;
}

function padded(seq: number | string): string {
  return String(seq).padStart(SEQ_DIGITS, '0');
}
