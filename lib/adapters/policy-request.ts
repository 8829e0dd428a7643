// Asks a policy service once, within a time and a size. Knows HTTP, and nothing of when to ask.

import { Agent, request } from 'undici';
import type { TokenProvider } from '../index.js';

/** A thousand categories fit well. */
const ANSWER_BYTES_MAX = 65_536;

export interface PolicySource {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly token: TokenProvider | undefined;
}

export class PolicyRequests {
  readonly #source: PolicySource;
  readonly #agent = new Agent({ connections: 1 });
  readonly #closing = new AbortController();
  /** Whether the last token was refused. */
  #refused = false;

  constructor(source: PolicySource) {
    this.#source = source;
  }

  /** The body of a 200. Rejects on anything else. */
  async ask(service: string): Promise<string> {
    const { timeoutMs } = this.#source;
    const limit = new AbortController();
    const end = () => limit.abort(new Error('closed'));
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    // Not AbortSignal.any with AbortSignal.timeout: Node 20 may collect that as garbage before it fires.
    this.#closing.signal.addEventListener('abort', end, { once: true });
    timer.unref();
    try {
      limit.signal.throwIfAborted();
      return await Promise.race([this.#get(service, limit.signal), rejected(limit.signal)]);
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener('abort', end);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
  }

  async #get(service: string, signal: AbortSignal): Promise<string> {
    const url = new URL(this.#source.url);
    url.searchParams.set('service', service);
    const token = await this.#source.token?.({ service, refresh: this.#refused, signal });
    const headers = {
      accept: 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const { statusCode, body } = await request(url, { dispatcher: this.#agent, signal, headers });
    // The body ends with an error of its own when the signal fires; whoever waits has been told.
    body.on('error', () => {});
    this.#refused = statusCode === 401 || statusCode === 403;
    if (statusCode !== 200) {
      body.destroy();
      throw new Error(`answered ${statusCode}`);
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) throw new Error(`answered more than ${ANSWER_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
