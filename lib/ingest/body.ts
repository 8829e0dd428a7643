// A request's body as bytes, within bounds: what is received, what it inflates to, and what all requests
// together hold in memory. Knows nothing of lines.

import { isUtf8 } from 'node:buffer';
import { createGunzip } from 'node:zlib';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import { Refusal } from './refusal.js';

export interface BodyLimits {
  bodyBytesMax: number;
  bodyMsMax: number;
  inflatedBytesMax: number;
}

/** A request's share of the memory that all requests may hold. */
export interface Hold {
  /** @throws {Refusal} 503 when all requests together would hold more than they may. */
  take(bytes: number): void;
  /** Gives everything back. */
  release(): void;
}

/** Inflated in pieces of this size: one hop to the thread pool each. */
const INFLATE_CHUNK_BYTES = 262_144;

/**
 * Counts the bytes that requests hold, so that many clients at once can't fill memory although each keeps
 * within its own bounds. Nobody waits for memory: the sender comes again, and has the better queue.
 */
export function memoryBudget(bytesMax: number): () => Hold {
  let held = 0;
  return () => {
    let own = 0;
    return {
      take(bytes) {
        if (held + bytes > bytesMax) {
          throw new Refusal(503, 'overloaded', 'too many requests at once; try again', {
            headers: { 'retry-after': '1' },
          });
        }
        held += bytes;
        own += bytes;
      },
      release() {
        held -= own;
        own = 0;
      },
    };
  };
}

/**
 * The body as sent. Stops reading at the bounds, of which one is time: a sender that trickles must not hold its
 * memory for ever. Whoever serves the request decides what becomes of the rest.
 */
export async function readBody(
  request: Request,
  { bodyBytesMax, bodyMsMax }: BodyLimits,
  hold: Hold,
  clock: Clock,
): Promise<Buffer> {
  // A sender that says how much is coming need not send it in vain.
  if (Number(request.headers.get('content-length') ?? 0) > bodyBytesMax) throw bodyTooLarge(bodyBytesMax);
  if (!request.body) return Buffer.alloc(0);
  const done = new AbortController();
  const late = clock.sleep(bodyMsMax, done.signal).then(() => 'late' as const);
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if (next === 'late') {
        throw new Refusal(408, 'request_timeout', `the body takes more than ${bodyMsMax} ms to arrive`);
      }
      if (next.done) return Buffer.concat(chunks, bytes);
      bytes += next.value.length;
      if (bytes > bodyBytesMax) throw bodyTooLarge(bodyBytesMax);
      hold.take(next.value.length);
      chunks.push(next.value);
    }
  } catch (cause) {
    // Not awaited: it would wait for the chunk that does not come.
    void reader.cancel().catch(() => {});
    if (cause instanceof Refusal) throw cause;
    throw new Refusal(400, 'incomplete_body', `the body broke off: ${messageOf(cause)}`, { cause });
  } finally {
    done.abort();
  }
}

/** What gzip holds, one member or several in a row, nothing behind them. Never inflates past the bound. */
export async function inflate(body: Buffer, { inflatedBytesMax }: BodyLimits, hold: Hold): Promise<Buffer> {
  const gunzip = createGunzip({ chunkSize: INFLATE_CHUNK_BYTES });
  gunzip.end(body);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Leaving the loop destroys the stream, so nothing is inflated that is not read here.
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > inflatedBytesMax) {
        throw new Refusal(413, 'body_too_large', `the body inflates to more than ${inflatedBytesMax} bytes`);
      }
      hold.take(chunk.length);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal(400, 'bad_gzip', `the body is no gzip: ${messageOf(cause)}`, { cause });
  }
  // Zlib takes zeros behind a member for padding and says nothing.
  if (gunzip.bytesWritten !== body.length) {
    const rest = body.length - gunzip.bytesWritten;
    throw new Refusal(400, 'bad_gzip', `the body goes on for ${rest} bytes after its gzip`);
  }
  return Buffer.concat(chunks, bytes);
}

export function checkUtf8(body: Buffer): void {
  if (!isUtf8(body)) throw new Refusal(400, 'bad_utf8', 'the body is not UTF-8');
}

function bodyTooLarge(bytesMax: number): Refusal {
  return new Refusal(413, 'body_too_large', `the body has more than ${bytesMax} bytes`);
}
