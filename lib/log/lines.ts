// Lines of one stream, one behind the other, as bytes: written as they come, once.

import { LINE_TAIL, lineHead } from '../records.js';
import { ENTRY_LINE_BYTES_MAX, ENTRY_RECORDS_MAX } from './entry.js';

/** Bytes that a line has beside its JSON, about: what a buffer for some of them is made with. */
export const LINE_BYTES = 100;

const CLOSING_BRACE = LINE_TAIL.charCodeAt(0);
const NEWLINE = LINE_TAIL.charCodeAt(1);

/**
 * What stands before a record's JSON, for one record after the other: all but the last digit of two numbers stays as
 * it is for ten of them. Making lines as strings first costs twice as much, and what they leave to collect.
 */
class Head {
  bytes = Buffer.alloc(0);
  readonly #writerId: string;
  readonly #kind: string;
  #seq: number;
  /** Where the last digit of the id's seq stands, and that of the seq. */
  #ofId = 0;
  #ofSeq = 0;

  constructor(writerId: string, kind: string, seq: number) {
    this.#writerId = writerId;
    this.#kind = kind;
    this.#seq = seq;
    this.#make();
  }

  next(): void {
    if (++this.#seq % 10 === 0) return this.#make();
    this.bytes[this.#ofId]!++;
    this.bytes[this.#ofSeq]!++;
  }

  #make(): void {
    const head = lineHead(this.#writerId, this.#kind, this.#seq);
    // Neither a writer id nor a kind holds a quote.
    this.#ofId = head.indexOf('","seq":') - 1;
    this.#ofSeq = head.indexOf(',"kind":', this.#ofId) - 1;
    this.bytes = Buffer.from(head, 'latin1');
  }
}

export class Lines {
  readonly kind: string;
  readonly firstSeq: number;
  count = 0;
  #buffer: Buffer;
  #length = 0;
  readonly #head: Head;

  /** `bytes`: what they may well have. */
  constructor(writerId: string, kind: string, firstSeq: number, bytes: number) {
    this.kind = kind;
    this.firstSeq = firstSeq;
    this.#head = new Head(writerId, kind, firstSeq);
    this.#buffer = Buffer.allocUnsafe(Math.min(bytes, ENTRY_LINE_BYTES_MAX));
  }

  get lastSeq(): number {
    return this.firstSeq + this.count - 1;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Adds the line of the next record, unless these are as many as an entry holds. */
  add(json: string): boolean {
    if (this.count === ENTRY_RECORDS_MAX) return false;
    const head = this.#head.bytes;
    const around = head.length + LINE_TAIL.length;
    const room = Math.min(this.#buffer.length, ENTRY_LINE_BYTES_MAX) - this.#length;
    // A UTF-16 unit is at most 3 bytes of UTF-8: most lines need no count.
    if (around + json.length * 3 > room) {
      const needed = this.#length + around + Buffer.byteLength(json);
      if (this.count > 0 && needed > ENTRY_LINE_BYTES_MAX) return false;
      this.#reserve(needed);
    }
    const buffer = this.#buffer;
    buffer.set(head, this.#length);
    let at = this.#length + head.length;
    at += buffer.write(json, at);
    buffer[at++] = CLOSING_BRACE;
    buffer[at++] = NEWLINE;
    this.#length = at;
    this.count++;
    this.#head.next();
    return true;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#buffer.length * 2));
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}
