// What a MANIFEST says: which tables make up the database, and from which `.log` on it is to be replayed. Pure.
// LevelDB goes on from one that was written here as from its own.

import { readFrames, writeFrames } from './frames.js';
import { Reader, varint } from './varint.js';

export interface Manifest {
  /** Number of the oldest `.log` that is not in a table yet; 0: none ever was. */
  readonly logNumber: number;
  readonly nextFileNumber: number;
  /** LevelDB's own, of every put and delete. */
  readonly lastSequence: number;
  /** By number. */
  readonly tables: ReadonlyMap<number, TableMeta>;
}

export interface TableMeta {
  readonly level: number;
  readonly bytes: number;
  /** LevelDB's keys: the user's, and eight bytes behind it. */
  readonly smallest: Buffer;
  readonly largest: Buffer;
}

/** The tags of a version edit's fields. */
const TAGS = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  prevLogNumber: 9,
} as const;

const COMPARATOR = 'leveldb.BytewiseComparator';

/** `undefined` where it is not whole. */
export function readManifest(file: Buffer): Manifest | undefined {
  const { records, damaged } = readFrames(file);
  if (damaged.length > 0) return undefined;
  const numbers = new Map<number, number>();
  const tables = new Map<number, TableMeta>();
  for (const record of records) {
    const reader = new Reader(record);
    while (!reader.done) if (!readField(reader, numbers, tables)) return undefined;
    if (!reader.ok) return undefined;
  }
  const [logNumber, nextFileNumber, lastSequence] = [
    TAGS.logNumber,
    TAGS.nextFileNumber,
    TAGS.lastSequence,
  ].map((tag) => numbers.get(tag));
  if (logNumber === undefined || nextFileNumber === undefined || lastSequence === undefined) return undefined;
  return { logNumber, nextFileNumber, lastSequence, tables };
}

/** Takes one field; false for one that no LevelDB writes. */
function readField(reader: Reader, numbers: Map<number, number>, tables: Map<number, TableMeta>): boolean {
  const tag = reader.varint();
  switch (tag) {
    case TAGS.comparator:
      reader.string();
      return true;
    case TAGS.logNumber:
    case TAGS.nextFileNumber:
    case TAGS.lastSequence:
    case TAGS.prevLogNumber:
      numbers.set(tag, reader.varint());
      return true;
    case TAGS.compactPointer:
      reader.varint();
      reader.string();
      return true;
    case TAGS.deletedFile:
      reader.varint();
      tables.delete(reader.varint());
      return true;
    case TAGS.newFile: {
      const level = reader.varint();
      const number = reader.varint();
      const bytes = reader.varint();
      tables.set(number, { level, bytes, smallest: reader.string(), largest: reader.string() });
      return true;
    }
    default:
      return false;
  }
}

/** A MANIFEST that says the same in one piece. */
export function encodeManifest({ logNumber, nextFileNumber, lastSequence, tables }: Manifest): Buffer {
  const fields = [
    field(TAGS.comparator, Buffer.from(COMPARATOR)),
    field(TAGS.logNumber, logNumber),
    field(TAGS.prevLogNumber, 0),
    field(TAGS.nextFileNumber, nextFileNumber),
    field(TAGS.lastSequence, lastSequence),
  ];
  for (const [number, { level, bytes, smallest, largest }] of tables) {
    fields.push(field(TAGS.newFile, level, number, bytes, smallest, largest));
  }
  return writeFrames(Buffer.concat(fields));
}

function field(tag: number, ...values: (number | Buffer)[]): Buffer {
  const parts = values.flatMap((value) =>
    typeof value === 'number' ? [varint(value)] : [varint(value.length), value],
  );
  return Buffer.concat([varint(tag), ...parts]);
}
