// The body of a batch for a sink that sends it and holds it no longer: in memory that one batch leaves to the next. New
// memory for each is what JavaScript's collector counts, and while a backlog is drained, it was a fifth of all the work.

import type { Piece } from '../log/gzip.js';
import { gzipOf } from '../log/gzip.js';

/** Memory that is kept for bodies to come: blocks, each of a whole number of units, and what a block has at most. */
const KEPT_MAX = 4;
const UNIT_BYTES = 65_536;
const KEPT_BYTES_MAX = 2 * 1_048_576;

/** A gzip body that nobody else has. What is called first of the two counts; neither may be. */
export interface LentBody {
  readonly bytes: Buffer;
  /** All of it has gone out, and it has arrived: its memory is another's from now on. */
  sent(): void;
  /** It may be sent again. */
  keep(): void;
}

/** Blocks that no body is in. */
const kept: Buffer[] = [];

function takeBlock(bytes: number): Buffer {
  const fitting = kept.filter((block) => block.length >= bytes).toSorted((a, b) => a.length - b.length);
  const block = fitting[0];
  // Never of Node's pool, which others have a part of.
  if (!block) return Buffer.allocUnsafeSlow(Math.ceil(bytes / UNIT_BYTES) * UNIT_BYTES);
  kept.splice(kept.indexOf(block), 1);
  return block;
}

/** The largest are kept: what is small fits into them. */
function leaveBlock(block: Buffer): void {
  if (block.length > KEPT_BYTES_MAX) return;
  kept.push(block);
  if (kept.length <= KEPT_MAX) return;
  kept.sort((a, b) => b.length - a.length);
  kept.pop();
}

interface Made {
  readonly block: Buffer;
  readonly bytes: Buffer;
}

/** The gzip body of one batch: made when it is first needed, and again where somebody else has it. */
export class GzipBody {
  readonly #pieces: readonly Piece[];
  /** Made, and nobody's yet. */
  #made: Promise<Made> | undefined;
  #given: Promise<Buffer> | undefined;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Makes it ahead of its turn. Whoever takes it is told what went wrong. */
  prepare(): void {
    this.#made ??= this.#make();
    this.#made.catch(() => {});
  }

  /** For good, in memory of its own. The same for everybody who asks. */
  give(): Promise<Buffer> {
    this.#given ??= this.#copy().catch((error: unknown) => {
      this.#given = undefined;
      throw error;
    });
    return this.#given;
  }

  /** For one who sends it, and has it alone. */
  async lend(): Promise<LentBody> {
    const made = this.#made ?? this.#make();
    this.#made = undefined;
    const { block, bytes } = await made;
    let isOut = true;
    const end = (then: () => void) => () => {
      if (isOut) then();
      isOut = false;
    };
    return {
      bytes,
      sent: end(() => leaveBlock(block)),
      keep: end(() => {
        this.#made ??= made;
      }),
    };
  }

  async #copy(): Promise<Buffer> {
    if (!this.#made) return await gzipOf(this.#pieces);
    const body = await this.lend();
    const copy = Buffer.from(body.bytes);
    body.sent();
    return copy;
  }

  async #make(): Promise<Made> {
    let block!: Buffer;
    const bytes = await gzipOf(this.#pieces, (length) => (block = takeBlock(length)));
    return { block, bytes };
  }
}

/** A batch, as far as it matters here. */
interface WithBody {
  readonly gzip: () => Promise<Buffer>;
}

/**
 * Not a part of what a sink is given: whoever got a lent body from there would have to know when it ends. By what makes
 * a batch's body, not by the batch: a sink around another one may have put a body of its own there.
 */
const bodies = new WeakMap<WithBody['gzip'], GzipBody>();

export function setBody({ gzip }: WithBody, body: GzipBody): void {
  bodies.set(gzip, body);
}

/** The body of a batch for a sink that sends it. A batch that somebody else has made has its own. */
export async function lendBody(batch: WithBody): Promise<LentBody> {
  const body = bodies.get(batch.gzip);
  if (body) return await body.lend();
  return { bytes: await batch.gzip(), sent: () => {}, keep: () => {} };
}

/** Makes the body of a batch ahead of its turn. */
export function prepareBody({ gzip }: WithBody): void {
  bodies.get(gzip)?.prepare();
}
