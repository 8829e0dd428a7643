// A real HTTP server on a free loopback port, for tests of sinks: what arrives is kept, what it answers is the test's.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';

export interface Arrived {
  method: string;
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Buffer;
  socket: Socket;
}

export interface Destination {
  /** `http://127.0.0.1:<port>` */
  origin: string;
  arrived: Arrived[];
  /** One per connection that was ever made. */
  sockets: Socket[];
  /** The request with this number, from 1, as soon as it has arrived. */
  nth: (number: number) => Promise<Arrived>;
}

/** Answers one request; `number` counts from 1. Not answering is an answer too. */
export type AnswerWith = (response: ServerResponse, request: Arrived, number: number) => void;

export async function withDestination(
  answer: AnswerWith,
  use: (destination: Destination) => Promise<void>,
): Promise<void> {
  const arrived: Arrived[] = [];
  const sockets: Socket[] = [];
  const waiting = new Map<number, (request: Arrived) => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', socket } = request;
      const headers = Object.fromEntries(
        Object.entries(request.headersDistinct).map(([name, values]) => [name, values?.join(', ') ?? '']),
      );
      const number = arrived.push({ method, path: url, headers, body: Buffer.concat(chunks), socket });
      const latest = arrived[number - 1]!;
      waiting.get(number)?.(latest);
      answer(response, latest, number);
    });
  });
  server.on('connection', (socket) => {
    sockets.push(socket);
    // A client that goes away is what several tests are about.
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use({
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      arrived,
      sockets,
      nth: (number) =>
        new Promise((resolve) => {
          const there = arrived[number - 1];
          if (there) resolve(there);
          else waiting.set(number, resolve);
        }),
    });
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

/** A server that speaks something else than HTTP, on a free loopback port. */
export async function withServer(
  speak: (socket: Socket) => unknown,
  use: (port: number, server: TcpServer) => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    speak(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use((server.address() as AddressInfo).port, server);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** An answer of one status and body; objects go as JSON. */
export function answering(
  status: number,
  body: unknown = '',
  headers: Record<string, string> = {},
): AnswerWith {
  return (response) => {
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** Resolves when the connection is gone, however it went: a reset is no failure here. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** A loopback port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
