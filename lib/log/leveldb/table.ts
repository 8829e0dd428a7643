// The format of LevelDB's tables (`.ldb`): checks every block's checksum, and mends what fails. Pure. A block stands
// there plain or packed, as LevelDB chose: in a log that older versions wrote, all of them are plain.
//
// LevelDB as Node has it checks none of them. What it then reads may be changed, and a changed length of a key
// ends the process (google/leveldb#966), so a damaged table must be mended before LevelDB sees it: a damaged
// block is replaced by an empty one of the same size, so that everything else stays where it is.

import { findCrc, maskedCrc } from './checksum.js';
import { unpack } from './snappy.js';
import { Reader, varint } from './varint.js';

const FOOTER_BYTES = 48;
const MAGIC = Buffer.from('57fb808b247547db', 'hex');
/** Behind each block: how it is stored, and the checksum of both. */
const TRAILER_BYTES = 5;
/** How a block is stored: the byte behind it. */
const STORED = { plain: 0, snappy: 1 } as const;
/** Behind the user's part of a key: type and sequence number. */
const KEY_SUFFIX_BYTES = 8;
/** A type is 0 for a delete, 1 for a put. */
const TYPE_MAX = 1;
/** Keys after which a block begins to store whole keys again: so many are looked through one by one for one key. */
const RESTART_INTERVAL = 16;

/** Where a block is, without its trailer. */
export interface Handle {
  readonly offset: number;
  readonly size: number;
}

export interface Layout {
  /** The blocks that hold keys and values. */
  readonly data: readonly Handle[];
  /** The list of blocks that help reading: here, a filter. */
  readonly metaindex: Handle;
  readonly filters: readonly Handle[];
}

/** What is wrong with a table, for people; `undefined` where nothing is. `keys`: those are looked at, too. */
export function tableProblem(file: Buffer, keys = false): string | undefined {
  const layout = layoutOf(file);
  if (!layout) return 'its footer or index is damaged';
  const damaged = [
    ...layout.data.filter((block) => !isGood(file, block, keys)),
    ...[layout.metaindex, ...layout.filters].filter((block) => !isSound(file, block)),
  ];
  if (damaged.length === 0) return undefined;
  return `${damaged.length} of its blocks are damaged, the first at ${damaged[0]!.offset}`;
}

/**
 * The same table without its damaged blocks; `undefined` where nothing is left. Of the same size wherever it was
 * not cut, so that the MANIFEST still fits it. `keys`: nor blocks with keys that LevelDB can't read.
 */
export function mendTable(file: Buffer, keys = false): Buffer | undefined {
  const layout = layoutOf(file);
  if (!layout) return rebuildTable(file);
  if (!layout.data.some((block) => isGood(file, block, keys))) return undefined;
  const mended = Buffer.from(file);
  for (const block of layout.data) if (!isGood(file, block, keys)) makeEmpty(mended, block);
  // Without its entry in there, no filter is used: nothing is wrong but a little time.
  if (!isSound(file, layout.metaindex) || layout.filters.some((block) => !isSound(file, block))) {
    makeEmpty(mended, layout.metaindex);
  }
  return mended;
}

/** Where the blocks are, by footer and index; `undefined` where one of the two is not sound. */
export function layoutOf(file: Buffer): Layout | undefined {
  const footer = file.length - FOOTER_BYTES;
  if (footer < 0 || !file.subarray(file.length - MAGIC.length).equals(MAGIC)) return undefined;
  const reader = new Reader(file, footer);
  const metaindex = readHandle(reader);
  const index = readHandle(reader);
  const inside = ({ offset, size }: Handle) => offset + size + TRAILER_BYTES <= footer;
  if (!reader.ok || !inside(index) || !isSound(file, index)) return undefined;
  // One stands behind the other: the handle of the first has no checksum of its own.
  if (metaindex.offset + metaindex.size + TRAILER_BYTES !== index.offset) return undefined;
  const handles = (block: Handle) =>
    entriesOf(file, block)?.map(({ value }) => readHandle(new Reader(value)));
  const data = handles(index);
  const filters = isSound(file, metaindex) ? handles(metaindex) : [];
  return data && filters && [...data, ...filters].every(inside) ? { data, metaindex, filters } : undefined;
}

function readHandle(reader: Reader): Handle {
  return { offset: reader.varint(), size: reader.varint() };
}

function isSound(file: Buffer, { offset, size }: Handle): boolean {
  const end = offset + size;
  if (size < 4 || end + TRAILER_BYTES > file.length) return false;
  return file.readUInt32LE(end + 1) === maskedCrc(file, offset, end + 1);
}

/**
 * Whether a block is sound, and, where `keys` are looked at, LevelDB can read each: what it has itself made of a damaged
 * block, while it compacted, has a checksum that fits.
 */
function isGood(file: Buffer, block: Handle, keys: boolean): boolean {
  if (!isSound(file, block)) return false;
  return !keys || (entriesOf(file, block)?.every(({ key }) => isReadable(key)) ?? false);
}

/** A key ends in what was done with it, a put or a delete, and when. */
function isReadable(key: Buffer): boolean {
  return key.length >= KEY_SUFFIX_BYTES && key[key.length - KEY_SUFFIX_BYTES]! <= TYPE_MAX;
}

/** An empty block: no restart points, and so no keys. */
function makeEmpty(file: Buffer, { offset, size }: Handle): void {
  const end = offset + size;
  file.fill(0, offset, end + 1);
  file.writeUInt32LE(maskedCrc(file, offset, end + 1), end + 1);
}

interface BlockEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The keys and values of a sound block; `undefined` where it holds something else: a filter. */
function entriesOf(file: Buffer, block: Handle): BlockEntry[] | undefined {
  const content = contentOf(file, block);
  if (!content || content.length < 4) return undefined;
  const restarts = content.readUInt32LE(content.length - 4);
  const end = content.length - 4 * (restarts + 1);
  if (restarts === 0) return [];
  return end < 0 ? undefined : readEntries(new Reader(content, 0, end));
}

/** What a sound block holds. */
function contentOf(file: Buffer, { offset, size }: Handle): Buffer | undefined {
  const stored = file.subarray(offset, offset + size);
  if (file[offset + size] === STORED.plain) return stored;
  return file[offset + size] === STORED.snappy ? unpack(stored) : undefined;
}

function readEntries(reader: Reader): BlockEntry[] | undefined {
  const entries: BlockEntry[] = [];
  let key: Buffer = Buffer.alloc(0);
  while (!reader.done) {
    const shared = reader.varint();
    const added = reader.varint();
    const valueBytes = reader.varint();
    const rest = reader.take(added);
    const value = reader.take(valueBytes);
    if (shared > key.length) return undefined;
    key = Buffer.concat([key.subarray(0, shared), rest]);
    entries.push({ key, value });
  }
  return reader.ok ? entries : undefined;
}

/** A new table of the blocks that are found without an index: they stand one behind the other, from the first byte on. */
function rebuildTable(file: Buffer): Buffer | undefined {
  const found: { lastKey: Buffer; block: Handle }[] = [];
  let dataEnd = 0;
  for (;;) {
    const block = blockAt(file, dataEnd);
    // Behind those with keys stands the filter, or an empty list of what else there is.
    const lastKey = block && entriesOf(file, block)?.at(-1)?.key;
    if (!lastKey || lastKey.length < KEY_SUFFIX_BYTES) break;
    found.push({ lastKey, block });
    dataEnd += block.size + TRAILER_BYTES;
  }
  if (found.length === 0) return undefined;
  const metaindex = blockOf([]);
  const index = blockOf(found.map(({ lastKey, block }) => ({ key: lastKey, value: encodeHandle(block) })));
  const metaindexAt = { offset: dataEnd, size: metaindex.length - TRAILER_BYTES };
  const indexAt = { offset: dataEnd + metaindex.length, size: index.length - TRAILER_BYTES };
  const footer = Buffer.alloc(FOOTER_BYTES);
  Buffer.concat([encodeHandle(metaindexAt), encodeHandle(indexAt)]).copy(footer);
  MAGIC.copy(footer, FOOTER_BYTES - MAGIC.length);
  const needed = indexAt.offset + index.length + FOOTER_BYTES;
  // The filter that is left out has more room than longer keys in the index take.
  const padding = Buffer.alloc(Math.max(0, file.length - needed));
  return Buffer.concat([file.subarray(0, dataEnd), metaindex, index, padding, footer]);
}

/** The sound block that begins at a place. Its checksum proves where it ends. */
function blockAt(file: Buffer, offset: number): Handle | undefined {
  const crcAt = findCrc(file, offset, (stored) => stored === STORED.plain || stored === STORED.snappy);
  return crcAt === undefined ? undefined : { offset, size: crcAt - 1 - offset };
}

/**
 * A plain block with its trailer. It stores of each key what differs from the one before: LevelDB's own index has whole
 * keys, but is packed, and a new one should fit in its place.
 */
function blockOf(entries: readonly BlockEntry[]): Buffer {
  const parts: Buffer[] = [];
  const restarts: number[] = [];
  let at = 0;
  let before: Buffer = Buffer.alloc(0);
  for (const [n, { key, value }] of entries.entries()) {
    const isWhole = n % RESTART_INTERVAL === 0;
    const shared = isWhole ? 0 : sharedBytes(before, key);
    if (isWhole) restarts.push(at);
    const lengths = [shared, key.length - shared, value.length].map(varint);
    const entry = Buffer.concat([...lengths, key.subarray(shared), value]);
    parts.push(entry);
    at += entry.length;
    before = key;
  }
  const end = Buffer.alloc(4 * (restarts.length + 1) + TRAILER_BYTES);
  for (const [n, restart] of restarts.entries()) end.writeUInt32LE(restart, 4 * n);
  end.writeUInt32LE(restarts.length, 4 * restarts.length);
  const block = Buffer.concat([...parts, end]);
  const size = block.length - TRAILER_BYTES;
  block.writeUInt32LE(maskedCrc(block, 0, size + 1), size + 1);
  return block;
}

/** Bytes that two keys begin with alike. */
function sharedBytes(one: Buffer, other: Buffer): number {
  let n = 0;
  while (n < one.length && n < other.length && one[n] === other[n]) n++;
  return n;
}

function encodeHandle({ offset, size }: Handle): Buffer {
  return Buffer.concat([varint(offset), varint(size)]);
}
