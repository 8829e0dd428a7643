// Finding a place in a stream by a few seeks, never by a scan. Entries are keyed by their last seq and know
// the bytes before them, so both a seq and a number of bytes lead straight to an entry.

import type { Entry } from './entry.js';
import { decodeEntry } from './entry.js';
import { entriesAfter, keys } from './keyspace.js';
import type { StreamState } from './state.js';
import { noticedBytes, storedBytes } from './state.js';
import type { Store } from './store.js';

/** What seeks look into. */
type Scanned = Pick<Store, 'get' | 'scan'>;

/** Damaged entries to step over in search of a sound one. */
const DAMAGED_MAX = 64;

/** The first sound entry that holds any seq above `after`. */
export async function entryAfter(store: Scanned, kind: string, after: number): Promise<Entry | undefined> {
  let range = entriesAfter(kind, after);
  for (let n = 0; n < DAMAGED_MAX; n++) {
    const [row] = await store.scan(range, { limit: 1 });
    if (!row) return undefined;
    const entry = decodeEntry(kind, ...row);
    if (entry) return entry;
    range = { gte: `${row[0]}\0`, lt: range.lt };
  }
  return undefined;
}

/** Bytes of a stream's entries, ever, before the first one above a seq. */
export async function offsetAfter(store: Scanned, stream: StreamState, after: number): Promise<number> {
  if (after >= stream.lastSeq) return stream.endOffset;
  return (await entryAfter(store, stream.kind, after))?.offset ?? stream.endOffset;
}

/** Bytes of a stream's entries, ever, up to and with the one that ends at a seq; without those of notices behind it. */
export async function offsetThrough(store: Scanned, stream: StreamState, seq: number): Promise<number> {
  const key = keys.entry(stream.kind, seq);
  const value = await store.get(key);
  const entry = value && decodeEntry(stream.kind, key, value);
  if (entry) return entry.offset + entry.size;
  const next = await entryAfter(store, stream.kind, seq);
  const noticed = noticedBytes(stream, seq) - noticedBytes(stream, next?.lastSeq ?? stream.lastSeq);
  return (next?.offset ?? stream.endOffset) - noticed;
}

/** Where in a stream so many of its stored bytes probably end, if records are about as large everywhere. */
export function likelySeqAt(stream: StreamState, bytes: number): number {
  const { head, lastSeq } = stream;
  const share = Math.min(1, Math.max(0, bytes / Math.max(1, storedBytes(stream))));
  return head.seq + Math.floor((lastSeq - head.seq) * share);
}

/** Seqs from the first place to the second that a search looks at: about an entry's most. */
const FIRST_STEP = 512;

/**
 * The last seq of the last entry that `isWithin`; the head's seq where there is none. `isWithin` must hold for
 * all entries up to some place and for none behind it. It is looked for around `aim` in steps that double, and then by
 * halves: about twice as many seeks as its distance from there has bits, however much is stored.
 */
export async function lastSeqWithin(
  store: Scanned,
  stream: StreamState,
  isWithin: (entry: Entry) => boolean,
  aim = stream.head.seq,
): Promise<number> {
  // Everything up to `low` lies within; nothing above `high` does.
  let low = stream.head.seq;
  let high = stream.lastSeq;
  let at = Math.max(low, Math.min(aim, high - 1));
  let step = FIRST_STEP;
  let before: boolean | undefined;
  let passed = false;
  while (low < high) {
    const entry = await entryAfter(store, stream.kind, at);
    const within = entry !== undefined && isWithin(entry);
    if (within) low = entry.lastSeq;
    else high = Math.min(at, (entry?.firstSeq ?? at + 1) - 1);
    passed ||= before !== undefined && within !== before;
    before = within;
    const half = Math.floor((high - low) / 2);
    at = passed || step >= half ? low + half : within ? low + step : high - step;
    step *= 2;
  }
  return low;
}
