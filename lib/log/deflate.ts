// Deflating on zlib's thread pool, by compressors that are kept: making one for each piece costs more than deflating
// a small piece does, and its memory, which counts as JavaScript's, brings the garbage collector in.

import type { DeflateRaw } from 'node:zlib';
import zlib from 'node:zlib';

/**
 * At the same time at most: one less than libuv has threads by default. What is written to the disk needs one, and
 * would wait behind what is deflated for later.
 */
const RUNNING_MAX = 3;
/** What zlib writes to, piece after piece; where it is full, a piece needs another hop to the thread pool. */
const OUTPUT_BYTES = 524_288;
/** 8 KiB of window: what repeats in a log's lines repeats nearby. */
const WINDOW_BITS = 13;
/**
 * Ids are random: that short matches within them are left alone gives a tenth less than level 1 does, for a quarter
 * more time, on a thread that is not JavaScript's. Appends are as fast.
 */
const LEVEL = 4;
const STRATEGY = zlib.constants.Z_FILTERED;
const MEMORY_LEVEL = 9;

class Compressor {
  readonly #zlib: DeflateRaw;
  #parts: Buffer[] = [];
  /** zlib leaves the callback of the write at which it fails uncalled. */
  #onError: (error: Error) => void = () => {};

  constructor() {
    this.#zlib = zlib.createDeflateRaw({
      level: LEVEL,
      strategy: STRATEGY,
      memLevel: MEMORY_LEVEL,
      windowBits: WINDOW_BITS,
      // After each write: what was before is forgotten, and the next piece stands by itself.
      flush: zlib.constants.Z_FULL_FLUSH,
      chunkSize: OUTPUT_BYTES,
    });
    this.#zlib.on('data', (part: Buffer) => this.#parts.push(part));
    this.#zlib.on('error', (error) => this.#onError(error));
  }

  /** One piece at a time. */
  deflate(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#onError = reject;
      this.#zlib.write(bytes, () => {
        const parts = this.#parts;
        this.#parts = [];
        resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
      });
    });
  }
}

const idle: Compressor[] = [];
const waiting: (() => void)[] = [];
let running = 0;

/**
 * The bytes as raw deflate that ends in a full flush, so that another piece can follow. First come, first served.
 *
 * @throws zlib's error, where memory is short most likely.
 */
export async function deflate(bytes: Buffer): Promise<Buffer> {
  if (running === RUNNING_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    const compressor = idle.pop() ?? new Compressor();
    const deflated = await compressor.deflate(bytes);
    // Not after an error: it can't be used again.
    idle.push(compressor);
    return deflated;
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
