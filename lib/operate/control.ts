// The control socket: HTTP over a Unix socket in the log's folder, served by the process that holds the log. What
// can be asked is a table of routes; what they do is theirs. Only this user gets to the socket: it has mode 0600,
// and its folder 0700.

import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { chmod, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WalError, messageOf } from '../errors.js';
import { FRAMES_TYPE } from './frames.js';
import type { SocketPlace } from './socket.js';
import { SOCKET_NAME, placeToListen, withSocketPath } from './socket.js';
import { errorBody, isStreamed, stream } from './stream.js';

/**
 * What answers a path: the object that it returns goes out as JSON with status 200, an `Answer` as it says, an async iterable
 * as NDJSON, a line an item (a string: lines as they are; `undefined`: no more for now), and `Frames` as what is stored;
 * where that fails on the way, its last line is the error's. What it throws goes out as
 * `{ error: { code, message } }`, with 409 for a WalError and 500 for anything else.
 */
export type Route = (call: ControlCall) => unknown;

export interface ControlCall {
  readonly query: URLSearchParams;
  /** The request's body as JSON; `undefined` where it has none. */
  readonly body: unknown;
  /** Whoever asked takes what is stored as it is stored, and takes it apart: `Frames`. */
  readonly takesFrames: boolean;
  /** Fires when whoever asked has gone. */
  readonly signal: AbortSignal;
  /** Fires when the log is about to close: an answer that has no end of its own ends then. */
  readonly closing: AbortSignal;
}

/** An answer that is more than an object with status 200. */
export class Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;

  constructor(status: number, type: string, text: string) {
    this.status = status;
    this.type = type;
    this.text = text;
  }
}

/** By method and path, as `GET /v1/stats`. */
export type Routes = Readonly<Record<`${'GET' | 'POST'} /v1/${string}`, Route>>;

const CONNECTIONS_MAX = 64;
const BODY_BYTES_MAX = 65_536;
/** How often it is told that an answer is on its way: in ms. Far more often than anybody gives up. */
const TELL_EVERY_MS = 5000;
/** How long a close waits for whoever reads a stream to take what is left of it. */
const FAREWELL_MS = 1000;

export interface ControlOptions {
  /** The log's folder, of which the caller holds the lock: what is there of a socket is nobody's. */
  readonly dir: string;
  readonly routes: Routes;
  /** For tests: another system's ways. */
  readonly platform?: NodeJS.Platform;
}

export class Control {
  readonly #server: Server;
  readonly #place: SocketPlace;
  readonly #life: Life;

  private constructor(server: Server, place: SocketPlace, life: Life) {
    this.#server = server;
    this.#place = place;
    this.#life = life;
  }

  /**
   * Serves the routes until it is closed. Does not keep the process alive.
   *
   * @throws What the system says, where it has no Unix socket for that folder.
   */
  static async listen({ dir, routes, platform }: ControlOptions): Promise<Control> {
    const place = await placeToListen(dir, platform);
    const life: Life = { closing: new AbortController(), streams: new Set() };
    const server = createServer((request, response) => void answer(routes, life, request, response));
    server.maxConnections = CONNECTIONS_MAX;
    server.unref();
    server.on('connection', (socket) => socket.unref());
    // A connection that can't be taken, for want of file handles, is the other side's to try again.
    server.on('error', () => {});
    try {
      await withSocketPath(place, `${SOCKET_NAME}.new`, async (path) => {
        await rm(path, { force: true });
        // Exclusive: in a worker of `node:cluster` it would be the primary that listens, for all of them.
        server.listen({ path, exclusive: true });
        await once(server, 'listening');
        await chmod(path, 0o600);
        // Takes the place of a dead process's socket, and is never there with another mode.
        await rename(path, path.replace(/\.new$/, ''));
      });
    } catch (error) {
      server.close();
      throw error;
    }
    return new Control(server, place, life);
  }

  /** The socket, where it is not in the log's folder. */
  get elsewhere(): string | undefined {
    return this.#place.at === 'elsewhere' ? join(this.#place.folder, SOCKET_NAME) : undefined;
  }

  /**
   * Takes the socket away and listens no more; what was asked before is still answered, and streams get a moment to
   * end well. To be called while the log's lock is held: the next holder's socket has the same name.
   */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await rm(join(this.#place.folder, SOCKET_NAME), { force: true });
    this.#server.close();
    this.#server.closeIdleConnections();
    const { closing, streams } = this.#life;
    closing.abort();
    if (streams.size === 0) return;
    const ended = new AbortController();
    await Promise.race([
      Promise.allSettled(streams),
      sleep(FAREWELL_MS, undefined, { signal: ended.signal }).catch(() => {}),
    ]);
    ended.abort();
  }
}

/** What a socket's answers need to know of it, and it of them. */
interface Life {
  readonly closing: AbortController;
  /** Those on their way. */
  readonly streams: Set<Promise<void>>;
}

async function answer(
  routes: Routes,
  { closing, streams }: Life,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://control');
    const route = routeOf(routes, request.method ?? '', pathname);
    if (typeof route !== 'function')
      return reply(response, route.status, errorBody('WAL_CONFIG', route.message));
    const body = await bodyOf(request);
    const takesFrames = request.headers.accept === FRAMES_TYPE;
    const call = { query: searchParams, body, takesFrames, signal: gone.signal, closing: closing.signal };
    const result = await whileTold(response, async () => await route(call));
    if (!isStreamed(result)) return reply(response, 200, result);
    const streaming = stream(response, result);
    streams.add(streaming);
    await streaming.finally(() => streams.delete(streaming));
  } catch (error) {
    const known = error instanceof WalError;
    reply(response, known ? 409 : 500, errorBody(known ? error.code : 'WAL_IO', messageOf(error)));
  }
}

/** Does what takes its time; whoever asked is told meanwhile that it is being done. */
async function whileTold<T>(response: ServerResponse, work: () => Promise<T>): Promise<T> {
  const telling = setInterval(() => {
    if (!response.destroyed) response.writeProcessing();
  }, TELL_EVERY_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(telling);
  }
}

function routeOf(
  routes: Routes,
  method: string,
  path: string,
): Route | { status: 404 | 405; message: string } {
  const known: Readonly<Record<string, Route>> = routes;
  const name = `${method} ${path}`;
  if (Object.hasOwn(known, name)) return known[name]!;
  const names = Object.keys(routes);
  const isThere = names.some((other) => other.endsWith(` ${path}`));
  return {
    status: isThere ? 405 : 404,
    message: `${name} is nothing that can be asked; there are ${names.join(', ')}`,
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new WalError('WAL_CONFIG', `a body has at most ${BODY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch (cause) {
    throw new WalError('WAL_CONFIG', `the body is not JSON: ${messageOf(cause)}`, { cause });
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const said =
    body instanceof Answer ? body : new Answer(status, 'application/json', `${JSON.stringify(body)}\n`);
  response.writeHead(said.status, { 'content-type': said.type, connection: 'close' });
  response.end(said.text);
}
