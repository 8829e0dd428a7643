// The end of each stream, as far as LevelDB's last log file can reach: what it drops of a damaged one, it drops
// without a word.

import type { Damage } from './read.js';
import { readAfter } from './read.js';
import { lastSeqWithin, likelySeqAt } from './seek.js';
import type { StreamState } from './state.js';
import { storedBytes } from './state.js';
import type { Store } from './store.js';

/** Twice LevelDB's write buffer: what its last log files can hold. */
const TAIL_BYTES = 8 * 1_048_576;

/** What is missing at the end of a stream. */
export async function findTailDamage(store: Store, stream: Readonly<StreamState>): Promise<Damage[]> {
  const from = await lastSeqWithin(
    store,
    stream,
    (entry) => entry.offset + entry.size <= stream.endOffset - TAIL_BYTES,
    likelySeqAt(stream, storedBytes(stream) - TAIL_BYTES),
  );
  const found: Damage[] = [];
  const bounds = { upTo: stream.lastSeq, recordsMax: 10_000, lineBytesMax: 4 * 1_048_576 };
  let rows = 8;
  for (let after = from; after < stream.lastSeq;) {
    const chunk = await readAfter(store, stream, after, { ...bounds, rows });
    for (const step of chunk.steps) if (step.is === 'damage') found.push(step.damage);
    after = chunk.steps.at(-1)?.to ?? stream.lastSeq;
    // Bounds are of lines, which are deflated here: reading on what the last chunk did not take is the most of it.
    rows = Math.max(1, chunk.rows);
  }
  return found;
}
