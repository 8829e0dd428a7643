// A Writer over a real store, with every commit in view and the disk's answers in the test's hand.

import { Writer } from '../../lib/log/commit.js';
import type { WriterContext } from '../../lib/log/commit.js';
import { loadStreams } from '../../lib/log/open.js';
import type { Changes, Store } from '../../lib/log/store.js';
import { withStore } from './log.js';
import { ManualClock } from './manual-clock.js';

export interface WriterBench {
  readonly writer: Writer;
  readonly store: Store;
  readonly clock: ManualClock;
  /** What was handed to the disk, in order. */
  readonly commits: Changes[];
  /** Ids that were given: another one after each renewal. */
  readonly writerIds: string[];
  /** Appends one record a call, all in this turn; each says its number. */
  append: (kind: string, numbers: readonly number[], delayMs?: number) => Promise<number>[];
}

export interface WriterBenchOptions {
  /** Stands before the disk: may wait, or fail. `number` counts commits from 1. */
  write?: (commit: () => Promise<void>, number: number) => Promise<void>;
  settle?: WriterContext['settle'];
  committed?: WriterContext['committed'];
  clock?: ManualClock;
}

export async function withWriter(
  options: WriterBenchOptions,
  use: (bench: WriterBench) => Promise<void>,
): Promise<void> {
  await withStore(async (store) => {
    const { write = (commit) => commit(), clock = new ManualClock() } = options;
    const commits: Changes[] = [];
    const writerIds = ['A'.repeat(16)];
    const writer = new Writer(await loadStreams(store), {
      clock,
      writerId: () => writerIds.at(-1)!,
      write: (changes) => {
        commits.push(changes);
        return write(() => store.commit(changes), commits.length);
      },
      committed: options.committed ?? (() => {}),
      settle: options.settle ?? ((_changes, error) => Promise.reject(error)),
      renewWriterId: () => writerIds.push('BCDEFGH'[writerIds.length - 1]!.repeat(16)),
    });
    await use({
      writer,
      store,
      clock,
      commits,
      writerIds,
      append: (kind, numbers, delayMs = 0) =>
        numbers.map(async (n) => {
          const json = `{"n":${n}}`;
          const [place] = await writer.append([{ kind, records: [json] }], json.length, delayMs);
          return place!.firstSeq;
        }),
    });
    await writer.close();
  });
}
