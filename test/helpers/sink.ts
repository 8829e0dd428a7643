// Sinks that keep what they were sent and answer what a test says; and one that is idempotent, as destinations
// must be, and that knows what it has.

import type { WireLine } from '../../lib/records.js';
import type { Batch, Receipt, SendContext, Sink } from '../../lib/ship/sink.js';

/** A batch as it arrived. */
export interface Sent {
  batch: Batch;
  /** The body. */
  text: string;
  lines: WireLine[];
  context: SendContext;
}

/** Answers one batch; `number` counts from 1. */
export type Reply = (sent: Sent, number: number) => Receipt | Promise<Receipt>;

export const accepting: Reply = ({ batch }) => ({ accepted: batch.count });

export class TestSink implements Sink {
  readonly name: string;
  readonly notices?: boolean;
  readonly sent: Sent[] = [];
  closed = 0;
  reply: Reply;
  readonly #waiting = new Map<number, (sent: Sent) => void>();

  constructor(reply: Reply = accepting, options: { name?: string; notices?: boolean } = {}) {
    this.reply = reply;
    this.name = options.name ?? 'test';
    if (options.notices !== undefined) this.notices = options.notices;
  }

  async send(batch: Batch, context: SendContext): Promise<Receipt> {
    const text = (await batch.lines()).toString();
    const lines = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as WireLine);
    // Whoever listens from here on would wait in vain for what was while the lines were read.
    context.signal.throwIfAborted();
    const sent = { batch, text, lines, context };
    const number = this.sent.push(sent);
    this.#waiting.get(number)?.(sent);
    return await this.reply(sent, number);
  }

  async close(): Promise<void> {
    this.closed++;
  }

  /** The send with this number, from 1, as soon as it has arrived. */
  nth(number: number): Promise<Sent> {
    return new Promise((resolve) => {
      const there = this.sent[number - 1];
      if (there) resolve(there);
      else this.#waiting.set(number, resolve);
    });
  }

  /** The seqs of each send. */
  get seqs(): number[][] {
    return this.sent.map(({ lines }) => lines.map(({ seq }) => seq));
  }
}

/** Never answers, but ends with the signal, as a sink should. */
export const hanging: Reply = ({ context: { signal } }) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

/** A promise, and how to settle it from outside. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: unknown) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {};
  let reject: Deferred<T>['reject'] = () => {};
  const promise = new Promise<T>((resolve_, reject_) => {
    resolve = resolve_;
    reject = reject_;
  });
  return { promise, resolve, reject };
}

/** A destination that keeps each id once and follows which seqs it has, as records or under notices. */
export class Archive {
  /** By id: the line as it came first. */
  readonly lines = new Map<string, WireLine>();
  /** Lines that came again. */
  duplicates = 0;
  /** What no sender may do: another record under a known id, a seq twice, an order that goes backwards. */
  readonly faults: string[] = [];
  /** Seqs that were refused when it was their turn: they, or their notices, come late. */
  readonly refused = new Set<number>();
  readonly #bySeq = new Map<number, string>();
  #lastNewSeq = 0;

  /** Takes a batch, as a receiver that commits it whole. */
  store(lines: readonly WireLine[]): Receipt {
    let accepted = 0;
    for (const line of lines) {
      const known = this.lines.get(line.id);
      if (known) this.#again(line, known);
      else {
        accepted++;
        this.#take(line);
      }
    }
    this.duplicates += lines.length - accepted;
    return { accepted, duplicates: lines.length - accepted };
  }

  get records(): number {
    return [...this.lines.values()].filter((line) => 'record' in line).length;
  }

  /** The seqs from 1 to `to` that were neither delivered nor noticed. */
  missing(to: number): number[] {
    return Array.from({ length: to }, (_, n) => n + 1).filter((seq) => !this.#bySeq.has(seq));
  }

  #again(line: WireLine, known: WireLine): void {
    if ('record' in line && JSON.stringify(line) !== JSON.stringify(known)) {
      this.faults.push(`another record under ${line.id}`);
    }
  }

  #take(line: WireLine): void {
    this.lines.set(line.id, line);
    const from = 'gap' in line ? line.gap.from : line.seq;
    for (let seq = from; seq <= line.seq; seq++) {
      const other = this.#bySeq.get(seq);
      if (other !== undefined) this.faults.push(`${seq} as ${other} and as ${line.id}`);
      this.#bySeq.set(seq, line.id);
    }
    if (this.refused.has(line.seq)) return;
    if (from <= this.#lastNewSeq) this.faults.push(`${line.id} after ${this.#lastNewSeq}`);
    this.#lastNewSeq = Math.max(this.#lastNewSeq, line.seq);
  }
}

/** The sink in front of an archive. */
export function archiving(archive: Archive): Reply {
  return ({ lines }) => archive.store(lines);
}
