// The handler behind Node's own HTTP server. Knows sockets and time limits, and nothing of what is ingested.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkInteger } from '../config.js';
import { WalError, messageOf } from '../errors.js';
import type { IngestHandler } from './handler.js';
import { Refusal } from './refusal.js';

export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface ServeOptions {
  /** What `createIngestHandler` returned. */
  handler: IngestHandler;
  /** 0 takes a free one. Integer, 0 to 65,535. @default 0 */
  port?: number;
  /** Where to listen. @default '127.0.0.1' */
  host?: string;
  /** How long a request's headers may take, in ms. Integer >= 1. @default 10_000 */
  headersTimeoutMs?: number;
  /** How long a whole request may take to arrive, in ms: cuts a client that trickles. Integer >= 1. @default 60_000 */
  requestTimeoutMs?: number;
  /** Connections at once; more are dropped. Integer >= 1. @default 1024 */
  connectionsMax?: number;
}

export interface IngestServer {
  /** `http://<host>:<port>` */
  readonly url: string;
  /**
   * Takes no more connections, lets requests that are under way end for `graceMs` (integer, 0 to 2^31 - 1,
   * default 5,000), then cuts them. The store is its owner's to close, after this.
   */
  close(options?: { graceMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 1024;
/** Longer than the pools of common clients keep a connection, so that it is they who close: a server that closes first may do so under a request. */
const KEEP_ALIVE_MS = 65_000;
/** How often Node looks for requests that take too long; they may take this much longer. */
const TIMEOUT_CHECK_MS = 2_000;
/** How long a connection may be still in the middle of something: a client that does not read its answer. */
const STALLED_MS = 120_000;
const CLOSE_GRACE_MS = 5_000;
/** What is still read, and for how long, of a body that nobody wants. */
const LINGER_BYTES_MAX = 16_777_216;
const LINGER_MS = 2_000;
const NO_REQUEST = new Refusal(400, 'bad_request', 'the request is none that can be answered');

/**
 * The handler as a listener for `http.createServer`: streams the body with backpressure, fires the request's
 * `signal` when the client goes away, answers with a `content-length`.
 */
export function toNodeListener(handler: IngestHandler): NodeListener {
  return (incoming, outgoing) => {
    // A handler never rejects, so what fails here is the connection: there is nobody to tell.
    respond(handler, incoming, outgoing).catch(() => outgoing.destroy());
  };
}

async function respond(
  handler: IngestHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort());
  const request = toRequest(incoming, gone.signal);
  const response = await (request ? handler(request) : NO_REQUEST.toResponse());
  const body = Buffer.from(await response.arrayBuffer());
  if (outgoing.destroyed) return;
  const headers = { ...Object.fromEntries(response.headers), 'content-length': body.length };
  if (incoming.complete) {
    outgoing.writeHead(response.status, headers).end(body);
    return;
  }
  // The client is still sending. Closing now would reset the connection, and the client would most likely see
  // that instead of the answer. So: the whole answer, then a bounded rest of the body, and only then the end.
  outgoing.writeHead(response.status, { ...headers, connection: 'close' }).write(body);
  await drain(incoming);
  outgoing.end();
}

/** `undefined` for what can't be a request of the Fetch API: a target that is no URL, a method it forbids. */
function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = '', url = '', rawHeaders } = incoming;
  const headers = new Headers();
  const hasBody = method !== 'GET' && method !== 'HEAD';
  // Joined, not resolved: '//x/y' is a path here, and a host to URL.
  const target = url.startsWith('/') ? `http://${incoming.headers.host ?? 'localhost'}${url}` : url;
  try {
    for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
    return new Request(target, {
      method,
      headers,
      signal,
      ...(hasBody && { body: toStream(incoming), duplex: 'half' }),
    });
  } catch {
    return undefined;
  }
}

function toStream(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  // Giving up the body must not destroy it: the socket would go with it, and the answer with the socket.
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream(
    {
      async pull(controller) {
        const next = (await chunks.next()) as IteratorResult<Buffer, undefined>;
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await chunks.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads on and throws away, until the body ends, the client goes, or patience does. */
function drain(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, LINGER_MS);
    incoming.once('end', done).once('close', done).once('error', done);
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LINGER_BYTES_MAX) done();
    });
    incoming.resume();
  });
}

/**
 * Serves a handler over HTTP.
 *
 * @throws {WalError} `WAL_CONFIG` naming the option that does not fit. `WAL_IO`: the address can't be had.
 */
export async function serveIngest(options: ServeOptions): Promise<IngestServer> {
  const { handler, host = '127.0.0.1' } = options;
  const port = checkInteger('port', options.port ?? 0, 0, 65_535);
  const headersTimeout = checkInteger('headersTimeoutMs', options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS, 1);
  const requestTimeout = checkInteger('requestTimeoutMs', options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, 1);
  const server = createServer(
    {
      // Node takes no pair of which the part is longer than the whole.
      headersTimeout: Math.min(headersTimeout, requestTimeout),
      requestTimeout,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, requestTimeout),
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    toNodeListener(handler),
  );
  server.timeout = STALLED_MS;
  server.maxConnections = checkInteger('connectionsMax', options.connectionsMax ?? CONNECTIONS_MAX, 1);
  server.on('request', (_, response: ServerResponse) =>
    response.once('close', () => {
      // Else a connection that is kept alive after its last answer would hold up a server that closes.
      if (!server.listening) server.closeIdleConnections();
    }),
  );
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new WalError('WAL_IO', `can't listen on ${host}:${port}: ${messageOf(cause)}`, { cause });
  }
  let closing: Promise<void> | undefined;
  const close = ({ graceMs = CLOSE_GRACE_MS } = {}) => (closing ??= closeServer(server, graceMs));
  return { url: urlOf(server), close, [Symbol.asyncDispose]: () => close() };
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
