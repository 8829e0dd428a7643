// What commits cost: measured once a commit, never once a record, and from what is known anyway.

import type { Clock } from '../clock.js';
import { Histogram } from '../histogram.js';
import type { Streams } from './state.js';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const RECORDS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536];
const BYTES = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

export class CommitMeter {
  /** How long the disk took for a commit, its fsync included. */
  readonly seconds = new Histogram(SECONDS);
  /** Of commits that append: their records, and the bytes of their entries as they are stored. */
  readonly records = new Histogram(RECORDS);
  readonly bytes = new Histogram(BYTES);
  readonly #clock: Clock;
  #failed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Commits that the disk refused. */
  get failed(): number {
    return this.#failed;
  }

  /** Writes a commit and takes the time. */
  async time(write: () => Promise<void>): Promise<void> {
    const started = this.#clock.monotonic();
    try {
      await write();
    } catch (error) {
      this.#failed++;
      throw error;
    }
    this.seconds.observe((this.#clock.monotonic() - started) / 1000);
  }

  /** Takes in what a commit changed. */
  committed(before: Streams, after: Streams, changedKinds: readonly string[]): void {
    let records = 0;
    let bytes = 0;
    for (const kind of changedKinds) {
      const stream = after.get(kind);
      if (!stream) continue;
      records += stream.lastSeq - (before.get(kind)?.lastSeq ?? 0);
      bytes += stream.endOffset - (before.get(kind)?.endOffset ?? 0);
    }
    // Not where it moved cursors only; and not after a repair, which may find less than there was.
    if (records <= 0) return;
    this.records.observe(records);
    this.bytes.observe(bytes);
  }
}
