// Closing a server so that whoever is in it gets an answer, and no keep-alive connection keeps it open: each answer
// that is not on its way yet says `connection: close`.

import type { Server, ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../index.js';

type HttpServer = Pick<
  Server,
  'on' | 'off' | 'close' | 'listening' | 'closeIdleConnections' | 'closeAllConnections'
>;

/** A server of node:http or node:https, or what closes one by a promise, as a Fastify instance does. */
export type ClosableServer = HttpServer | { close(): PromiseLike<unknown>; server?: object };

/** A server, looked at since before it has to close. */
export interface WatchedServer {
  /** No new connections; resolves when the last one is gone. */
  close(): Promise<void>;
  /** Ends what connections there are. */
  cut(): void;
  unwatch(): void;
}

/** How long a server may take to close when its connections were cut. */
const CUT_MS = 1000;

export function watchServer(server: ClosableServer): WatchedServer {
  if (isHttp(server)) return watchHttp(server, () => closeHttp(server));
  const close = async (): Promise<void> => void (await server.close());
  // Below a framework's instance: its own close leaves connections open that were busy when it began.
  return isHttp(server.server)
    ? watchHttp(server.server, close)
    : { close, cut: () => {}, unwatch: () => {} };
}

function isHttp(server: object | undefined): server is HttpServer {
  return server !== undefined && 'closeIdleConnections' in server;
}

function watchHttp(server: HttpServer, close: () => Promise<void>): WatchedServer {
  const answering = new Set<ServerResponse>();
  let isClosing = false;
  const onRequest = (_request: unknown, response: ServerResponse): void => {
    if (isClosing) endsConnection(response);
    answering.add(response);
    response.once('close', () => {
      answering.delete(response);
      // Its headers may have gone before it was known that this is the end.
      if (isClosing) server.closeIdleConnections();
    });
  };
  server.on('request', onRequest);
  return {
    close: async () => {
      isClosing = true;
      for (const response of answering) endsConnection(response);
      const closed = close();
      server.closeIdleConnections();
      await closed;
    },
    cut: () => server.closeAllConnections(),
    unwatch: () => void server.off('request', onRequest),
  };
}

function closeHttp(server: HttpServer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!server.listening) resolve();
    else server.close((error) => (error ? reject(error) : resolve()));
  });
}

function endsConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

/** Closes it; what is not answered after `withinMs` is cut off. */
export async function closeServer(
  server: WatchedServer,
  withinMs: number,
  clock: Clock,
): Promise<'answered' | 'cut'> {
  const answered = new AbortController();
  const closed = server.close().finally(() => answered.abort());
  await Promise.race([closed, clock.sleep(withinMs, answered.signal)]);
  if (answered.signal.aborted) {
    await closed;
    return 'answered';
  }
  server.cut();
  // What was upgraded (a WebSocket) is nobody's to cut here, and a framework's own hooks may hang.
  await Promise.race([closed, clock.sleep(CUT_MS)]);
  // Whoever was cut off hears of it now, and may have something to append.
  await turn();
  return 'cut';
}
