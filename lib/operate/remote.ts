// A log that another process holds, asked over its control socket: the same calls as of an open one.

import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { json } from 'node:stream/consumers';
import type { WalErrorCode } from '../errors.js';
import { WalError, messageOf } from '../errors.js';
import type { VerifyReport } from '../log/verify.js';
import type { ResendOptions } from '../quarantine.js';
import type { ReadItem } from '../reading.js';
import type { CompactReport, EvictOptions, EvictReport, ReplayOptions } from '../reports.js';
import type { WalStats } from '../stats.js';
import { isServed, openAnswer } from './ask.js';
import type { DumpItem, DumpOptions } from './dump.js';
import type { TailOptions } from './tail.js';

export class RemoteLog {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The log in a folder, where the process that holds it serves a socket. */
  static async find(dir: string): Promise<RemoteLog | undefined> {
    return (await isServed(dir)) ? new RemoteLog(dir) : undefined;
  }

  stats(signal?: AbortSignal): Promise<WalStats> {
    return this.#call('GET', '/v1/stats', undefined, signal);
  }

  evict(options: EvictOptions): Promise<EvictReport> {
    return this.#call('POST', '/v1/evict', options);
  }

  compact(): Promise<CompactReport> {
    return this.#call('POST', '/v1/compact');
  }

  verify(signal: AbortSignal): Promise<VerifyReport> {
    return this.#call('POST', '/v1/verify', undefined, signal);
  }

  forget(kind: string, shipper: string): Promise<{ records: number }> {
    return this.#call('POST', '/v1/forget', { kind, shipper });
  }

  replay(kind: string, options: ReplayOptions): Promise<{ records: number }> {
    return this.#call('POST', '/v1/replay', { kind, ...options });
  }

  resend(kind: string, options: Pick<ResendOptions, 'shipper'> = {}): Promise<{ records: number }> {
    return this.#call('POST', '/v1/resend', { kind, ...options });
  }

  /** Whoever ends the loop closes the connection, and with it ends the work on the other side. */
  dump(options: DumpOptions): AsyncGenerator<DumpItem> {
    return this.#items(`/v1/dump?${queryOf(options)}`);
  }

  /**
   * The newest records, and with `follow` those that come: until the loop ends, `signal` fires (which rejects), or
   * the process closes its log.
   */
  tail(options: TailOptions & { follow?: boolean }, signal?: AbortSignal): AsyncGenerator<ReadItem<object>> {
    return this.#items(`/v1/tail?${queryOf(options)}`, signal);
  }

  async *#items<Item extends object>(path: `/v1/${string}`, signal?: AbortSignal): AsyncGenerator<Item> {
    const response = await this.#ask('GET', path, undefined, signal);
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        const item = JSON.parse(line) as Item | ErrorBody;
        if ('error' in item) throw errorOf(item);
        yield item;
      }
      // A line reader may end quietly where the connection broke.
      if (!response.complete) throw wentAway();
    } catch (error) {
      // Or with what the system says, or in the midst of a line.
      throw error instanceof WalError || response.complete ? error : wentAway(error);
    } finally {
      response.destroy();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #call<T>(
    method: 'GET' | 'POST',
    path: `/v1/${string}`,
    body?: object,
    signal?: AbortSignal,
  ): Promise<T> {
    const response = await this.#ask(method, path, body, signal);
    try {
      return (await json(response)) as T;
    } catch (cause) {
      throw new WalError('WAL_IO', `the answer broke off: ${messageOf(cause)}`, { cause });
    }
  }

  async #ask(
    method: 'GET' | 'POST',
    path: `/v1/${string}`,
    body?: object,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    const response = await openAnswer(this.#dir, method, path, { body, signal });
    if (response.statusCode === 200) return response;
    throw errorOf((await json(response)) as ErrorBody);
  }
}

function queryOf(options: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options) as [string, string | number | boolean | undefined][]) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.toString();
}

function wentAway(cause?: unknown): WalError {
  return new WalError('WAL_IO', 'the process that holds the log went away', { cause });
}

interface ErrorBody {
  error: { code: WalErrorCode; message: string };
}

function errorOf({ error }: ErrorBody): WalError {
  return new WalError(error.code, error.message);
}
