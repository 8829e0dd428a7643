// Closing a server so that whoever is in it gets an answer, and no keep-alive connection keeps it open: each answer
// that is not on its way yet says `connection: close`.

import type { Server, ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../index.js';

/** A server of node:http or node:https, or what closes by a promise, as a Fastify instance does. */
export type ClosableServer =
  | Pick<Server, 'on' | 'off' | 'close' | 'listening' | 'closeIdleConnections' | 'closeAllConnections'>
  | { close(): PromiseLike<unknown>; server?: { closeAllConnections?(): void } };

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
  if ('closeIdleConnections' in server) return watchHttp(server);
  return {
    close: async () => {
      await server.close();
    },
    cut: () => server.server?.closeAllConnections?.(),
    unwatch: () => {},
  };
}

function watchHttp(server: Extract<ClosableServer, { listening: boolean }>): WatchedServer {
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
    close: () =>
      new Promise((resolve, reject) => {
        isClosing = true;
        if (!server.listening) return resolve();
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeIdleConnections();
        for (const response of answering) endsConnection(response);
      }),
    cut: () => server.closeAllConnections(),
    unwatch: () => void server.off('request', onRequest),
  };
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
