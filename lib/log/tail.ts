// The end of each stream, as far as LevelDB's last log file can reach: what it drops of a damaged one, it drops
// without a word.

import type { Damage } from './read.js';
import { readAfter } from './read.js';
import { lastSeqWithin } from './seek.js';
import type { StreamState } from './state.js';
import type { Store } from './store.js';

/** Twice LevelDB's write buffer: what its last log files can hold. */
const TAIL_BYTES = 8 * 1_048_576;

/** What is missing at the end of a stream. */
export async function findTailDamage(store: Store, stream: Readonly<StreamState>): Promise<Damage[]> {
  const from = await lastSeqWithin(
    store,
    stream,
    (entry) => entry.offset + entry.size <= stream.endOffset - TAIL_BYTES,
  );
  const found: Damage[] = [];
  for (let after = from; after < stream.lastSeq;) {
    const bounds = { upTo: stream.lastSeq, recordsMax: 10_000, lineBytesMax: 4 * 1_048_576 };
    const { steps } = await readAfter(store, stream, after, { ...bounds, rows: 1000 });
    for (const step of steps) if (step.is === 'damage') found.push(step.damage);
    after = steps.at(-1)?.to ?? stream.lastSeq;
  }
  return found;
}
