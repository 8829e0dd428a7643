// Asks the process that holds a log, over its control socket. Nobody answering is an answer.

import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import { WalError } from '../errors.js';
import type { SocketPlace } from './socket.js';
import { SOCKET_NAME, placeToAsk, withSocketPath } from './socket.js';

export type ControlAnswer =
  | { is: 'answered'; status: number; body: unknown }
  /** No socket, nobody behind it, or gone before the answer was there. */
  | { is: 'nobody' }
  /** Somebody, who does not answer in time. */
  | { is: 'silent' };

/** How long an answer may take: a release ends the requests that are on their way, so it is a matter of seconds at most. */
const ANSWER_MS_MAX = 30_000;

export interface AskOptions {
  readonly signal?: AbortSignal;
  /** How long an answer may take, in ms. @default 30_000 */
  readonly withinMs?: number;
  /** For tests: another system's ways. */
  readonly platform?: NodeJS.Platform;
}

/** Sends a request to the holder of the log in a folder, without a body. */
export async function askHolder(
  dir: string,
  method: 'GET' | 'POST',
  path: `/v1/${string}`,
  { signal, withinMs = ANSWER_MS_MAX, platform }: AskOptions = {},
): Promise<ControlAnswer> {
  const limit = AbortSignal.timeout(withinMs);
  const end = signal ? AbortSignal.any([signal, limit]) : limit;
  const answer = await atSocket(dir, platform, async (socketPath) => {
    // Its own connection, closed with the answer: there is nothing to keep.
    const asking = request({ socketPath, method, path, agent: false, signal: end });
    // The first error rejects below; one after the answer has begun is the answer's.
    asking.on('error', () => {});
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return { is: 'answered', status: response.statusCode ?? 0, body: await json(response) };
  });
  return answer.is === 'nobody' && limit.aborted ? { is: 'silent' } : answer;
}

/** Whether somebody listens on the control socket of the log in a folder: a living process, then, even if it hangs. */
export async function isServed(dir: string, { platform }: AskOptions = {}): Promise<boolean> {
  const answer = await atSocket(dir, platform, async (path) => {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return { is: 'answered', status: 0, body: undefined };
    } finally {
      socket.destroy();
    }
  });
  return answer.is === 'answered';
}

export interface CallOptions {
  /** Sent as JSON. @default none */
  readonly body?: object | undefined;
  /** The media type to ask for. @default none: JSON */
  readonly accept?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long nothing may come, in ms. */
  readonly idleMs: number;
}

/** Nothing came for so long. */
export class SilentError extends Error {
  override readonly name = 'SilentError';
  readonly idleMs: number;

  constructor(idleMs: number) {
    super(`nothing came for ${idleMs} ms`);
    this.idleMs = idleMs;
  }
}

/** How long the system may take to connect: there is no way in between, but there may be no place in the queue. */
const CONNECT_MS_MAX = 5000;

/**
 * Sends a request and hands its answer over as it comes, however long it takes.
 *
 * @throws {SilentError} Nothing has come for `idleMs`: not even that it is being worked on.
 * @throws What the system says where nobody answers.
 */
export async function openAnswer(
  dir: string,
  method: 'GET' | 'POST',
  path: `/v1/${string}`,
  { body, accept, signal, idleMs }: CallOptions,
): Promise<IncomingMessage> {
  const place = await placeToAsk(dir);
  if (!place) throw new WalError('WAL_IO', `no control socket is known for ${dir}`);
  return await withSocketPath(place, SOCKET_NAME, async (socketPath) => {
    const asking = request({
      socketPath,
      method,
      path,
      agent: false,
      ...(accept !== undefined && { headers: { accept } }),
      ...(signal && { signal }),
    });
    asking.on('error', () => {});
    let timer: NodeJS.Timeout | undefined;
    const giveUpIn = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => asking.destroy(new SilentError(ms)), ms);
    };
    giveUpIn(Math.min(CONNECT_MS_MAX, idleMs));
    asking.on('socket', (socket) => socket.once('connect', () => giveUpIn(idleMs)));
    asking.on('information', () => giveUpIn(idleMs));
    asking.end(body && JSON.stringify(body));
    try {
      const [response] = (await once(asking, 'response')) as [IncomingMessage];
      return response;
    } finally {
      clearTimeout(timer);
    }
  });
}

/**
 * What an answer is made of, as it comes. The time counts only while somebody waits for it: whoever reads may take theirs.
 * `idleMs` may be Infinity.
 */
export async function* partsOf(response: IncomingMessage, idleMs: number): AsyncGenerator<Buffer> {
  const parts = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const giveUp = () => void response.destroy(new SilentError(idleMs));
  for (;;) {
    const timer = idleMs === Infinity ? undefined : setTimeout(giveUp, idleMs);
    try {
      const part = await parts.next();
      if (part.done) return;
      clearTimeout(timer);
      yield part.value;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function atSocket(
  dir: string,
  platform: NodeJS.Platform | undefined,
  use: (path: string) => Promise<ControlAnswer>,
): Promise<ControlAnswer> {
  try {
    const place: SocketPlace | undefined = await placeToAsk(dir, platform);
    return place ? await withSocketPath(place, SOCKET_NAME, use) : { is: 'nobody' };
  } catch {
    // Whatever it is, it is not an answer; what holds the log is LevelDB's lock to say.
    return { is: 'nobody' };
  }
}
