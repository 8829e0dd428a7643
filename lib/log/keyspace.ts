// The keys of the log's LevelDB and the seal on every value. Pure: knows no database and no policy.
//
// Keys are what abstract-level's sublevels make, so that any LevelDB tool can list a part of the log:
// `db.sublevel(['entry', 'audit'])` holds the audit stream's entries.

import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';
import { WalError } from '../errors.js';

/** One step up for every change of what is on disk; see migrations/. */
export const FORMAT = 1;

const SEQ_DIGITS = 16;
/** Bytes of the seal: a CRC-32 in front of the packed rest, little-endian. */
const SEAL_BYTES = 4;

type Section = 'entry' | 'head' | 'cursor' | 'notice' | 'quarantine';

/** Zero-padded, so that the order of keys is the order of seqs. */
function seqKey(seq: number): string {
  return String(seq).padStart(SEQ_DIGITS, '0');
}

export const keys = {
  meta: (name: 'format' | 'logId' | 'service' | 'instance' | 'created') => `!meta!${name}`,
  /** Keyed by the entry's last seq: the entry that holds seq `s` is the first key `>= entry(kind, s)`. */
  entry: (kind: string, lastSeq: number) => `!entry!!${kind}!${seqKey(lastSeq)}`,
  head: (kind: string) => `!head!!${kind}!`,
  cursor: (kind: string, shipper: string) => `!cursor!!${kind}!${shipper}`,
  notice: (kind: string, to: number) => `!notice!!${kind}!${seqKey(to)}`,
  quarantine: (kind: string, shipper: string, seq: number) =>
    `!quarantine!!${kind}!${shipper}:${seqKey(seq)}`,
  import: (fingerprint: string) => `!import!${fingerprint}`,
};

/** A half-open range of keys, `gte` to `lt`. */
export interface KeyRange {
  gte: string;
  lt: string;
}

/** Everything of one section, of one kind or of all. `"` is the character after `!`. */
export function sectionRange(section: Section | 'meta' | 'import', kind?: string): KeyRange {
  const prefix = kind === undefined ? `!${section}!` : `!${section}!!${kind}!`;
  return { gte: prefix, lt: `${prefix.slice(0, -1)}"` };
}

/** The entries that hold any seq above `after`. */
export function entriesAfter(kind: string, after: number): KeyRange {
  return { gte: keys.entry(kind, after + 1), lt: sectionRange('entry', kind).lt };
}

/** The entries that hold no seq above `seq`. */
export function entriesUpTo(kind: string, seq: number): KeyRange {
  return { gte: sectionRange('entry', kind).gte, lt: keys.entry(kind, seq + 1) };
}

/** The parts of a key that `keys` made; `undefined` for anything else. */
export function parseKey(key: string): { section: string; kind: string; name: string } | undefined {
  const match = /^!([a-z]+)!(?:!([a-z][a-z0-9_-]{0,31})!)?(.*)$/s.exec(key);
  return match ? { section: match[1]!, kind: match[2] ?? '', name: match[3]! } : undefined;
}

/** The seq that a key of `entry` or `notice` ends in; `NaN` for anything else. */
export function seqOfKey(key: string): number {
  const digits = key.slice(-SEQ_DIGITS);
  return /^\d{16}$/.test(digits) && key.at(-SEQ_DIGITS - 1) === '!' ? Number(digits) : NaN;
}

/** The seq that a key of `quarantine` ends in. */
export function seqOfAside(key: string): number {
  return Number(key.slice(-SEQ_DIGITS));
}

const packr = new Packr({ useRecords: false });

/**
 * A value as it is stored: the CRC-32 of the key and the packed rest, then the rest. The key is part of it
 * because a damaged table can hand out one key's value under another.
 */
export function seal(key: string, content: unknown): Buffer {
  const rest = packr.pack(content);
  const value = Buffer.allocUnsafe(SEAL_BYTES + rest.length);
  value.writeUInt32LE(crc32(rest, crc32(key)));
  value.set(rest, SEAL_BYTES);
  return value;
}

/** The content of a stored value, or `undefined` where the value is not what `seal` made for this key. */
export function unseal(key: string, value: Buffer): unknown {
  if (value.length <= SEAL_BYTES) return undefined;
  const rest = value.subarray(SEAL_BYTES);
  if (value.readUInt32LE() !== crc32(rest, crc32(key))) return undefined;
  return packr.unpack(rest);
}

/** @throws {WalError} `WAL_CORRUPT` where `unseal` finds nothing. */
export function unsealOrThrow<T>(key: string, value: Buffer): T {
  const content = unseal(key, value);
  if (content === undefined) {
    throw new WalError('WAL_CORRUPT', `the stored value of ${key} does not match its checksum`);
  }
  // The seal proves that this library wrote it under this key, and so what shape it has.
  return content as T;
}
