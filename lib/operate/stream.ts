// An answer that comes in pieces: as fast as it is read, but never so fast that whoever serves it could do little else.

import { EventEmitter, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import type { WalErrorCode } from '../errors.js';
import { WalError, messageOf } from '../errors.js';
import { FRAMES_TYPE, frameOf } from './frames.js';
import { Rests } from './rests.js';

/** An answer of lines that are sent one by one, as they come. */
export class LiveLines {
  readonly items: AsyncIterable<unknown>;

  constructor(items: AsyncIterable<unknown>) {
    this.items = items;
  }
}

/** An answer of what is stored, as it is stored: see frames.ts. */
export class Frames {
  readonly items: AsyncIterable<object | undefined>;
  /** How long whoever asked may take nothing, in ms: what is read for it may hold disk space back. @default as long as they like */
  readonly idleMs: number | undefined;

  constructor(items: AsyncIterable<object | undefined>, idleMs?: number) {
    this.items = items;
    this.idleMs = idleMs;
  }
}

/** Bytes, or characters of NDJSON, that are sent at once. */
const CHUNK_BYTES = 131_072;

/** Whether something is an answer in pieces. */
export function isStreamed(result: unknown): result is AsyncIterable<unknown> | LiveLines | Frames {
  return result instanceof LiveLines || result instanceof Frames || isAsyncIterable(result);
}

/** Reads on only as fast as that is taken, and no more once whoever asked has gone. */
export async function stream(
  response: ServerResponse,
  result: AsyncIterable<unknown> | LiveLines | Frames,
): Promise<void> {
  const isFrames = result instanceof Frames;
  // Gone already: it will not close once more.
  if (response.destroyed) return;
  response.on('error', () => {});
  response.writeHead(200, {
    'content-type': isFrames ? FRAMES_TYPE : 'application/x-ndjson',
    connection: 'close',
  });
  // There may be nothing to say for long; that it was understood is to be known at once.
  response.flushHeaders();
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    for await (const parts of chunksOf(result)) {
      gone.signal.throwIfAborted();
      const timer =
        isFrames && result.idleMs ? setTimeout(() => response.destroy(), result.idleMs) : undefined;
      try {
        await send(response, parts, gone.signal);
      } finally {
        clearTimeout(timer);
      }
    }
    response.end();
    await finished(response, { signal: gone.signal });
  } catch {
    // Gone: nobody is left to be told. What the items threw went out as a line.
  }
}

type Part = string | Buffer;

/**
 * Sends parts together; resolves when the system has taken them, rejects where the signal fires. Not by 'drain': where
 * they were corked, it never comes in Node 22 (nodejs/node#60432).
 */
async function send(response: ServerResponse, parts: readonly Part[], gone: AbortSignal): Promise<void> {
  const system = new EventEmitter();
  const taken = once(system, 'taken', { signal: gone });
  response.cork();
  for (const part of parts.slice(0, -1)) response.write(part);
  response.write(parts.at(-1), () => system.emit('taken'));
  response.uncork();
  await taken;
}

function chunksOf(result: AsyncIterable<unknown> | LiveLines | Frames): AsyncGenerator<Part[]> {
  if (result instanceof LiveLines) return chunked(result.items, lineOf, 1);
  if (result instanceof Frames) return rested(chunked(result.items, (item) => frameOf(item as object)));
  return rested(chunked(result, lineOf));
}

/** A text is a line, or several, as it is. */
function lineOf(item: unknown): string[] {
  return [`${typeof item === 'string' ? item : JSON.stringify(item)}\n`];
}

/** An item `undefined`: no more for now, so that what is there goes. */
async function* chunked(
  items: AsyncIterable<unknown>,
  partsOf: (item: unknown) => Part[],
  bytesMin = CHUNK_BYTES,
): AsyncGenerator<Part[]> {
  let parts: Part[] = [];
  let bytes = 0;
  try {
    for await (const item of items) {
      for (const part of item === undefined ? [] : partsOf(item)) {
        parts.push(part);
        bytes += part.length;
      }
      if (bytes === 0 || (item !== undefined && bytes < bytesMin)) continue;
      yield parts;
      [parts, bytes] = [[], 0];
    }
  } catch (error) {
    const code = error instanceof WalError ? error.code : 'WAL_IO';
    parts.push(...lineOf(errorBody(code, messageOf(error))));
  }
  if (parts.length > 0) yield parts;
}

async function* rested<Chunk>(chunks: AsyncGenerator<Chunk>): AsyncGenerator<Chunk> {
  const rests = new Rests();
  for await (const chunk of chunks) {
    await rests.take();
    yield chunk;
    rests.begin();
  }
}

export function errorBody(code: WalErrorCode, message: string): object {
  return { error: { code, message } };
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
