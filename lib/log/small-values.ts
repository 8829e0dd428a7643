// Everything of a damaged log but its entries, as far as it can be read, completed by what the mark knows.

import { keys, parseKey, sectionRange, unseal } from './keyspace.js';
import type { Cursor } from './ledger.js';
import { isBefore, keptAside, newCursor } from './ledger.js';
import type { StreamMarks } from './mark.js';
import { rowsOf } from './open.js';
import { placeBehindHead } from './recount.js';
import type { Head, Notice, StreamState } from './state.js';
import { newStream } from './state.js';
import type { Store } from './store.js';

export interface SmallValues {
  /** Heads, cursors and notices. The ends are not known yet. */
  readonly streams: Map<string, StreamState>;
  /** Keys of what can't be read. */
  readonly unreadable: Set<string>;
  /** What of it can't be made good, for people. */
  readonly notes: string[];
}

export async function readSmallValues(store: Store, marks: StreamMarks): Promise<SmallValues> {
  const values: SmallValues = { streams: new Map(), unreadable: new Set(), notes: [] };
  for (const section of ['meta', 'head', 'cursor', 'notice', 'import'] as const) {
    for await (const [key, value] of rowsOf(store, sectionRange(section))) {
      const content = unseal(key, value);
      if (content === undefined) values.unreadable.add(key);
      else takeValue(values, key, content);
    }
  }
  takeMarks(values, marks);
  placeUnreadable(values, marks);
  await countAside(store, values);
  const imports = [...values.unreadable].filter((key) => parseKey(key)?.section === 'import').length;
  if (imports > 0)
    values.notes.push(
      `how far ${imports} files were imported is forgotten: importing them again may import records twice`,
    );
  return values;
}

function streamOf({ streams }: SmallValues, kind: string): StreamState {
  const stream = streams.get(kind) ?? newStream(kind);
  streams.set(kind, stream);
  return stream;
}

function setCursor(stream: StreamState, shipper: string, cursor: Cursor): void {
  stream.cursors = new Map(stream.cursors).set(shipper, cursor);
}

function takeValue(values: SmallValues, key: string, content: unknown): void {
  const { section, kind, name } = parseKey(key) ?? { section: '', kind: '', name: '' };
  if (section === 'head') streamOf(values, kind).head = content as Head;
  if (section === 'cursor') setCursor(streamOf(values, kind), name, content as Cursor);
  if (section !== 'notice') return;
  const stream = streamOf(values, kind);
  stream.notices = [...stream.notices, content as Notice];
}

/** What the mark says was durable: where the database does not go as far, it has lost something. */
function takeMarks(values: SmallValues, marks: StreamMarks): void {
  for (const [kind, mark] of Object.entries(marks)) {
    const stream = streamOf(values, kind);
    if (mark.head.seq > stream.head.seq) stream.head = mark.head;
    for (const [name, cursor] of Object.entries(mark.cursors)) {
      if (isAhead(cursor, stream.cursors.get(name))) setCursor(stream, name, cursor);
    }
  }
}

/** At one position, a cursor only ever counts more that is gone, unless it was moved back. */
function isAhead(cursor: Cursor, other: Cursor | undefined): boolean {
  if (!other || isBefore(other, cursor)) return true;
  if (isBefore(cursor, other)) return false;
  return cursor.dropped + cursor.lost > other.dropped + other.lost;
}

/**
 * A cursor that no witness knows begins where all that is stored, and every notice that may not have been told,
 * lies behind it. Where there is a mark, it knows every cursor: any other name is damage, too.
 */
function placeUnreadable(values: SmallValues, marks: StreamMarks): void {
  for (const key of values.unreadable) {
    const { section, kind, name } = parseKey(key) ?? { section: '', kind: '', name: '' };
    if (section !== 'cursor' || kind === '' || marks[kind]) continue;
    const stream = streamOf(values, kind);
    setCursor(stream, name, newCursor(placeBehindHead(stream), 0, 0));
  }
}

/** Records that were put aside and are not there, or can't be read, any more are lost. */
async function countAside(store: Store, values: SmallValues): Promise<void> {
  const found = new Map<string, { records: number; bytes: number }>();
  for await (const [key, value] of rowsOf(store, sectionRange('quarantine'))) {
    if (unseal(key, value) === undefined) {
      values.unreadable.add(key);
      continue;
    }
    const { records, bytes } = found.get(asideOf(key)) ?? { records: 0, bytes: 0 };
    found.set(asideOf(key), { records: records + 1, bytes: bytes + key.length + value.length });
  }
  for (const stream of values.streams.values()) {
    for (const [name, cursor] of stream.cursors) {
      const there = found.get(asideOf(keys.quarantine(stream.kind, name, 0))) ?? { records: 0, bytes: 0 };
      const missing = keptAside(cursor) - there.records;
      if (missing <= 0) continue;
      const gone = { ...cursor.gone, corrupt: (cursor.gone.corrupt ?? 0) + missing };
      setCursor(stream, name, {
        ...cursor,
        quarantined: cursor.quarantined - missing,
        quarantineBytes: there.bytes,
        lost: cursor.lost + missing,
        gone,
      });
      values.notes.push(
        `${missing} records that ${name} of '${stream.kind}' had put aside can't be read any more`,
      );
    }
  }
}

/** What the keys of one cursor's quarantine have in common. */
function asideOf(key: string): string {
  return key.slice(0, key.lastIndexOf(':'));
}
