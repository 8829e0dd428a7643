// What only the disk knows of a running log, looked up now and then and kept: when the oldest record was appended
// that each cursor has not passed, how large the folder is, and whether the reserve is there. One seek for each
// cursor that moved, and a look at each file.

import type { Log } from '../log/log.js';
import { entryAfter } from '../log/seek.js';
import type { StreamState } from '../log/state.js';

/** The first entry on disk behind a position. */
interface Oldest {
  readonly after: number;
  readonly lastSeq: number;
  readonly appendedAt: number;
}

export class Lookup {
  /** By kind and shipper. */
  #oldest = new Map<string, Oldest>();
  #reserveMissing = false;

  /** Whether disk space is held back no more, or not yet again, though it should be. */
  get reserveMissing(): boolean {
    return this.#reserveMissing;
  }

  /** When the oldest record was appended that a cursor has not passed: epoch ms. `undefined` where that is not known yet. */
  oldestAt(stream: StreamState, shipper: string): number | undefined {
    const known = this.#oldest.get(`${stream.kind}/${shipper}`);
    const position = positionOf(stream, shipper);
    return known && known.after <= position && position < known.lastSeq ? known.appendedAt : undefined;
  }

  /** Looks up what has changed. */
  async look(log: Log): Promise<void> {
    this.#reserveMissing = !(await log.hasReserve());
    // By itself it is measured between commits only.
    await log.measure();
    const next = new Map<string, Oldest>();
    for (const stream of log.streams.values()) {
      for (const shipper of stream.cursors.keys()) {
        const name = `${stream.kind}/${shipper}`;
        const after = positionOf(stream, shipper);
        if (after >= stream.lastSeq) continue;
        const known = this.#oldest.get(name);
        if (known && this.oldestAt(stream, shipper) !== undefined) next.set(name, known);
        else {
          const entry = await entryAfter(log.store, stream.kind, after);
          if (entry) next.set(name, { after, lastSeq: entry.lastSeq, appendedAt: entry.appendedAt });
        }
      }
    }
    this.#oldest = next;
  }
}

/** Where a cursor goes on from: behind itself, and behind what is not there any more. */
function positionOf(stream: StreamState, shipper: string): number {
  return Math.max(stream.cursors.get(shipper)?.seq ?? 0, stream.head.seq);
}
