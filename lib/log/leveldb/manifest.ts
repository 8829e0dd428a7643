// What a MANIFEST says: which tables make up the database, and from which `.log` on it is to be replayed. Pure.

import { readFrames } from './frames.js';
import { Reader } from './varint.js';

export interface Manifest {
  /** Number of the oldest `.log` that is not in a table yet; 0: none ever was. */
  readonly logNumber: number;
  /** Bytes of each table, by its number. */
  readonly tables: ReadonlyMap<number, number>;
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

/** `undefined` where it is not whole. */
export function readManifest(file: Buffer): Manifest | undefined {
  const { records, damaged } = readFrames(file);
  if (damaged.length > 0 || records.length === 0) return undefined;
  const tables = new Map<number, number>();
  let logNumber: number | undefined;
  for (const record of records) {
    const reader = new Reader(record);
    while (!reader.done) {
      const tag = reader.varint();
      if (tag === TAGS.logNumber) logNumber = reader.varint();
      else if (!readField(tag, reader, tables)) return undefined;
    }
    if (!reader.ok) return undefined;
  }
  return logNumber === undefined ? undefined : { logNumber, tables };
}

/** Takes one field; false for one that no LevelDB writes. */
function readField(tag: number, reader: Reader, tables: Map<number, number>): boolean {
  switch (tag) {
    case TAGS.comparator:
      reader.string();
      return true;
    case TAGS.nextFileNumber:
    case TAGS.lastSequence:
    case TAGS.prevLogNumber:
      reader.varint();
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
      reader.varint();
      const number = reader.varint();
      tables.set(number, reader.varint());
      reader.string();
      reader.string();
      return true;
    }
    default:
      return false;
  }
}
