// What stands between a producer and its receiver, and does everything that networks, gateways and load balancers do.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Dice } from '../crash/points-random.js';

const FAULTS = [
  'reset before',
  'reset after',
  '429',
  '503',
  'stall before',
  'stall after',
  'truncated',
  'half a body',
  '413',
  '400',
] as const;
type Fault = (typeof FAULTS)[number];

/** Requests that go through for each that does not. */
const PASSES = 2;

/** Where requests go; it may change, as a receiver that starts again listens elsewhere. */
export interface Target {
  url: string;
}

export class Proxy implements AsyncDisposable {
  readonly url: string;
  /** How often each was done. */
  readonly done: Record<Fault, number>;
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, done: Record<Fault, number>) {
    this.#server = server;
    this.done = done;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(target: Target, dice: Dice): Promise<Proxy> {
    const done = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
    const bag = new Bag(dice);
    const server = createServer((request, response) => {
      void answer(target, bag, done, request, response).catch(() => request.socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Proxy(server, done);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

/** Every fault comes before any comes again, in an order that the dice know. */
class Bag {
  readonly #dice: Dice;
  #left: (Fault | undefined)[] = [];

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  draw(): Fault | undefined {
    if (this.#left.length === 0) {
      const passes = Array.from<undefined>({ length: FAULTS.length * PASSES });
      this.#left = [...FAULTS, ...passes];
    }
    return this.#left.splice(this.#dice.integer(0, this.#left.length - 1), 1)[0];
  }

  /** For the next one: what was drawn can't be done now. */
  putBack(fault: Fault): void {
    this.#left.push(fault);
  }
}

async function answer(
  target: Target,
  bag: Bag,
  done: Record<Fault, number>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await buffer(request);
  const fault = bag.draw();
  // Who refuses a single line for no reason and takes others can't be told from one that has a reason.
  const isOne = linesIn(body) === 1;
  const isUnfit = isOne && (fault === '400' || fault === '413');
  if (isUnfit) bag.putBack(fault);
  if (fault === undefined || isUnfit) return await pass(target, request, body, response);
  done[fault]++;
  switch (fault) {
    case 'reset before':
      return void request.socket.destroy();
    case 'stall before':
      return;
    case '429':
      return void response.writeHead(429, { 'retry-after': '1' }).end();
    case '503':
      return void response.writeHead(503, { 'retry-after': inASecond() }).end('<h1>busy</h1>');
    case '413':
    case '400':
      return void response.writeHead(Number(fault)).end('not so');
    default:
      break;
  }
  const { status, text } = await forward(target, request, body);
  const half = text.slice(0, text.length / 2);
  if (fault === 'reset after') request.socket.destroy();
  else if (fault === 'half a body') response.writeHead(status).end(half);
  else if (fault === 'truncated') {
    response.writeHead(status, { 'content-length': text.length });
    response.write(half, () => request.socket.destroy());
  }
}

async function pass(target: Target, request: IncomingMessage, body: Buffer, response: ServerResponse) {
  const { status, text } = await forward(target, request, body);
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}

async function forward({ url }: Target, request: IncomingMessage, body: Buffer) {
  const {
    host: _,
    connection: __,
    'content-length': ___,
    'transfer-encoding': ____,
    ...headers
  } = request.headers;
  const answered = await fetch(`${url}${request.url}`, {
    method: 'POST',
    headers: headers as Record<string, string>,
    body,
  });
  return { status: answered.status, text: await answered.text() };
}

function linesIn(body: Buffer): number {
  const lines = body[0] === 0x1f ? gunzipSync(body) : body;
  return lines.reduce((count, byte) => (byte === 0x0a ? count + 1 : count), 0);
}

function inASecond(): string {
  return new Date(Date.now() + 1_000).toUTCString();
}
