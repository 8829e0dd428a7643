// A receiver that is idempotent by id and can prove what it has: every seq as a record, or under a notice.

import type { GapReason, WireLine } from '../../lib/records.js';
import type { Receipt, Sink } from '../../lib/ship/sink.js';

export class Receiver {
  /** By id: the line as it came first. */
  readonly #lines: Map<string, string>;
  /** By seq: what stands for it. */
  readonly #seqs: Map<number, { readonly id: string; readonly as: 'record' | GapReason }>;
  /** Records that came again. */
  duplicates = 0;
  /** What no sender may do: another record under a known id, one seq as two things. */
  readonly faults: string[] = [];

  constructor(as?: Receiver) {
    this.#lines = new Map(as ? as.#lines : []);
    this.#seqs = new Map(as ? as.#seqs : []);
  }

  copy(): Receiver {
    return new Receiver(this);
  }

  /** Seqs that arrived as records, or under notices of a reason. */
  count(as: 'record' | GapReason): number {
    return [...this.#seqs.values()].filter((place) => place.as === as).length;
  }

  has(seq: number): 'record' | GapReason | undefined {
    return this.#seqs.get(seq)?.as;
  }

  /** What stands for a record: its JSON by seq. */
  *records(): Generator<{ seq: number; id: string; json: string }> {
    for (const [id, line] of this.#lines) {
      const wire = JSON.parse(line) as WireLine;
      if ('record' in wire) yield { seq: wire.seq, id, json: JSON.stringify(wire.record) };
    }
  }

  missing(to: number): number[] {
    return Array.from({ length: to }, (_, n) => n + 1).filter((seq) => !this.#seqs.has(seq));
  }

  /** Takes everything up to a seq, but refuses some; then it does not answer any more. */
  sink({ upTo = Infinity, refused = [] as readonly number[] } = {}): Sink {
    return {
      name: `receiver ${Math.random()}`,
      send: async (batch, { signal }) => {
        if (batch.lastSeq > upTo) {
          await new Promise((_, reject) => signal.addEventListener('abort', reject, { once: true }));
        }
        const lines = String(await batch.lines())
          .split('\n')
          .slice(0, -1);
        return this.#take(lines, refused);
      },
    };
  }

  #take(lines: readonly string[], refused: readonly number[]): Receipt {
    const receipt = { accepted: 0, duplicates: 0, rejected: [] as { id: string; reason: string }[] };
    for (const line of lines) {
      const wire = JSON.parse(line) as WireLine;
      const known = this.#lines.get(wire.id);
      if ('record' in wire && refused.includes(wire.seq)) {
        receipt.rejected.push({ id: wire.id, reason: 'not wanted' });
      } else if (known === undefined) {
        receipt.accepted++;
        this.#store(wire, line);
      } else {
        receipt.duplicates++;
        if ('record' in wire) this.duplicates++;
        if ('record' in wire && known !== line) this.faults.push(`another record under ${wire.id}`);
      }
    }
    return receipt;
  }

  #store(wire: WireLine, line: string): void {
    this.#lines.set(wire.id, line);
    const [from, as] = 'gap' in wire ? [wire.gap.from, wire.gap.reason] : [wire.seq, 'record' as const];
    for (let seq = from; seq <= wire.seq; seq++) {
      const other = this.#seqs.get(seq);
      if (other) this.faults.push(`${seq} as ${other.id} and as ${wire.id}`);
      this.#seqs.set(seq, { id: wire.id, as });
    }
  }
}
