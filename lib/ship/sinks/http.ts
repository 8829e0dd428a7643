// Delivers batches over HTTP: one POST a batch, and what its answer means. Knows the wire; must not know
// cursors or retries: every failure is said once, as a SinkError, and what to do about it is the shipper's.

import { Pool } from 'undici';
import type { Clock } from '../../clock.js';
import { systemClock } from '../../clock.js';
import { checkBaseUrl, checkInteger, expected } from '../../config.js';
import type { HttpSinkOptions, TokenProvider } from '../../config.js';
import { WalError, messageOf } from '../../errors.js';
import { ClockSkew } from '../auth/skew.js';
import { requestSigner } from '../auth/signature.js';
import type { RequestSigner } from '../auth/signature.js';
import { tokenProvider } from '../auth/token.js';
import { lendBody } from '../body.js';
import { outcomeOf } from '../outcome.js';
import type { Answer } from '../outcome.js';
import { SinkError } from '../sink.js';
import type { Batch, Receipt, SendContext, Sink } from '../sink.js';
import { Connections } from './connections.js';

const TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS_MAX = 10_000;
const CONNECTIONS = 4;
const CONNECTIONS_MAX = 64;

/** An answer may name every line of its batch and say why; more than this a line is not read. */
const ANSWER_BYTES_PER_LINE = 1024;
const ANSWER_BYTES_MIN = 1_048_576;

/** A reason of its own: without one, each abort makes a DOMException, stack and all. */
const IN_TIME = 'in time';

/** RFC 6750's token68: anything else in a header would be a provider's mistake, or a second header. */
const BEARER_PATTERN = /^[A-Za-z0-9._~+/-]+=*$/;

interface Destination {
  /** Scheme, host and port. */
  origin: string;
  /** Path of `baseUrl` without a slash at its end. */
  basePath: string;
  token: TokenProvider | undefined;
  sign: RequestSigner | undefined;
  skew: ClockSkew;
  gzip: boolean;
  timeoutMs: number;
  connections: number;
  notices: boolean;
  acceptEmpty: boolean;
}

interface Post {
  url: URL;
  headers: Record<string, string>;
  body: Buffer;
  service: string;
  answerBytesMax: number;
}

/**
 * A sink that posts batches to `<baseUrl>/api/<kind>/v1/ingest` over a pool of keep-alive connections. It
 * serves any number of streams; those that go to one origin share its name, and so its circuit breaker.
 *
 * ```ts
 * const sink = httpSink({ baseUrl: 'https://logs.internal', token: { issuer, audience, secret } });
 * const shipper = wal.ship('audit', sink);
 * ```
 *
 * `send` rejects with a `SinkError`; with the signal's reason, at once, where `signal` fired; with
 * `WAL_CLOSED` after `close`. `close` waits for what is being sent.
 *
 * @throws {WalError} `WAL_CONFIG` naming the option that does not fit.
 */
export function httpSink(options: HttpSinkOptions, clock: Clock = systemClock): Sink {
  return new HttpSink(checkOptions(options, clock), clock);
}

class HttpSink implements Sink {
  readonly name: string;
  readonly notices: boolean;
  readonly body: 'gzip' | undefined;
  // Private by #: whoever logs a sink must not see what its functions hold.
  readonly #to: Destination;
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #pool: Pool;
  readonly #sending = new Set<Promise<Receipt>>();
  #closed: Promise<void> | undefined;

  constructor(to: Destination, clock: Clock) {
    this.name = to.origin;
    this.notices = to.notices;
    this.body = to.gzip ? 'gzip' : undefined;
    this.#to = to;
    this.#clock = clock;
    this.#connections = new Connections(Math.min(to.timeoutMs, CONNECT_TIMEOUT_MS_MAX));
    this.#pool = new Pool(to.origin, {
      connections: to.connections,
      pipelining: 1,
      // The deadline over the whole exchange is the only clock; these two would each be another.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: this.#connections.connect,
    });
  }

  get clockSkewMs(): number | undefined {
    return this.#to.skew.ms;
  }

  async send(batch: Batch, { signal }: SendContext): Promise<Receipt> {
    if (this.#closed) throw new WalError('WAL_CLOSED', `the sink to ${this.name} was closed`);
    const sending = this.#deliver(batch, signal);
    this.#sending.add(sending);
    try {
      return await sending;
    } finally {
      this.#sending.delete(sending);
    }
  }

  close(): Promise<void> {
    // Destroyed, not closed: the pool would wait for a connection that only an abandoned request wanted.
    this.#closed ??= Promise.allSettled(this.#sending).then(() => this.#pool.destroy());
    return this.#closed;
  }

  async #deliver(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    signal.throwIfAborted();
    if (!this.#to.gzip) return await this.#settle(batch, await batch.lines(), signal);
    const body = await lendBody(batch);
    try {
      const receipt = await this.#settle(batch, body.bytes, signal);
      // Who has the batch already may say so before all of it was read.
      if (this.#connections.haveTakenAll) body.sent();
      return receipt;
    } catch (error) {
      body.keep();
      throw error;
    }
  }

  async #settle(batch: Batch, body: Buffer, signal: AbortSignal): Promise<Receipt> {
    const { timeoutMs, acceptEmpty } = this.#to;
    const post = await this.#compose(batch, body);
    const late = () => new SinkError('outage', `${post.url.href} gave no answer within ${timeoutMs} ms`);
    const answer = await withDeadline(this.#clock, timeoutMs, late, signal, (end) =>
      this.#exchange(post, end),
    );
    const outcome = outcomeOf(answer, batch.count, { acceptEmpty }, this.#clock.now());
    if ('settled' in outcome) return outcome.settled;
    const { failure, reason, ...details } = outcome.failed;
    throw new SinkError(failure, `${post.url.href} ${reason}`, details);
  }

  async #compose(batch: Batch, body: Buffer): Promise<Post> {
    const { origin, basePath, gzip, sign } = this.#to;
    const url = new URL(`${origin}${basePath}/api/${batch.kind}/v1/ingest`);
    const headers: Record<string, string> = {
      'content-type': 'application/x-ndjson',
      ...(gzip && { 'content-encoding': 'gzip' }),
      'wal-log': batch.logId,
      'wal-instance': batch.instance,
      'idempotency-key': batch.id,
    };
    if (sign) Object.assign(headers, await sign({ method: 'POST', url, headers, body }));
    const answerBytesMax = Math.max(ANSWER_BYTES_MIN, batch.count * ANSWER_BYTES_PER_LINE);
    return { url, headers, body, service: batch.service, answerBytesMax };
  }

  /** Posts with the token at hand and, where that is refused, once more with a fresh one. */
  async #exchange(post: Post, signal: AbortSignal): Promise<Answer> {
    const { token } = this.#to;
    if (!token) return await this.#post(post, undefined, signal);
    const answer = await this.#post(post, await bearer(token, post, false, signal), signal);
    if (answer.status !== 401 && answer.status !== 403) return answer;
    return await this.#post(post, await bearer(token, post, true, signal), signal);
  }

  async #post(post: Post, token: string | undefined, signal: AbortSignal): Promise<Answer> {
    const { url, body } = post;
    const beganAt = this.#clock.now();
    try {
      const response = await this.#pool.request({
        method: 'POST',
        path: url.pathname,
        headers: token === undefined ? post.headers : { ...post.headers, authorization: `Bearer ${token}` },
        body,
        signal,
      });
      const { statusCode: status, headers } = response;
      const { date } = headers;
      this.#to.skew.measure(typeof date === 'string' ? date : undefined, beganAt, this.#clock.now());
      const read = await readBody(response.body, post.answerBytesMax);
      // Only a success needs its body: who refuses an upload often resets the connection behind the status.
      if (read.broken !== undefined && status >= 200 && status <= 299) throw read.broken;
      // What the destination says is kept for people, and it may well quote the header it did not like.
      const text = token === undefined ? read.text : read.text.replaceAll(token, '[token]');
      return { status, headers, body: text, truncated: read.truncated };
    } catch (cause) {
      throw new SinkError('outage', `${url.href} can't be reached: ${networkMessageOf(cause)}`, { cause });
    }
  }
}

async function bearer(
  provider: TokenProvider,
  { url, service }: Post,
  refresh: boolean,
  signal: AbortSignal,
): Promise<string> {
  let token: unknown;
  try {
    token = await provider({ service, refresh, signal });
  } catch (cause) {
    if (cause instanceof SinkError) throw cause;
    throw new SinkError('outage', `no token for ${url.href}: ${messageOf(cause)}`, { cause });
  }
  if (typeof token === 'string' && BEARER_PATTERN.test(token)) return token;
  throw new SinkError('misconfigured', `the token for ${url.href} is not one that a bearer header can hold`);
}

/**
 * What `work` resolves with, unless `signal` fires or `timeoutMs` pass first. Then it rejects at once, whether
 * `work` heeds its signal or not: undici's requests don't while they wait for a connection.
 */
async function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  late: () => Error,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  // Wired by hand: AbortSignal.any leaves something behind in a long-lived signal on every call (Node 20, 22).
  const end = new AbortController();
  const timer = new AbortController();
  const giveUp = () => end.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  const ended = new Promise<never>((_, reject) => {
    end.signal.addEventListener('abort', () => reject(end.signal.reason as Error), { once: true });
  });
  void clock.sleep(timeoutMs, timer.signal).then(() => {
    if (!timer.signal.aborted) end.abort(late());
  });
  try {
    return await Promise.race([work(end.signal), ended]);
  } finally {
    timer.abort(IN_TIME);
    signal.removeEventListener('abort', giveUp);
  }
}

/** Reads at most `bytesMax`, then drops the connection. Never rejects: a body that breaks off says so. */
async function readBody(
  body: AsyncIterable<Buffer>,
  bytesMax: number,
): Promise<{ text: string; truncated: boolean; broken?: Error }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const text = () => new TextDecoder().decode(Buffer.concat(chunks));
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > bytesMax) return { text: text(), truncated: true };
      chunks.push(chunk);
    }
    return { text: text(), truncated: false };
  } catch (error) {
    const broken = error instanceof Error ? error : new Error(String(error));
    return { text: text(), truncated: true, broken };
  }
}

/** Where several addresses of a host were tried, Node leaves the message empty and only the code says why. */
function networkMessageOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return messageOf(error) || (code ?? 'no connection');
}

function checkOptions(options: HttpSinkOptions, clock: Clock): Destination {
  if (typeof options !== 'object' || options === null) {
    throw expected('the options of httpSink', 'an object', typeof options);
  }
  const { baseUrl, token, signingKey, gzip, timeoutMs, connections, notices, acceptEmpty, ...unknown } =
    options;
  const [stray] = Object.keys(unknown);
  if (stray !== undefined) throw new WalError('WAL_CONFIG', `httpSink has no option '${stray}'`);
  const { origin, pathname } = checkBaseUrl('baseUrl', baseUrl);
  const skew = new ClockSkew();
  return {
    origin,
    basePath: pathname.replace(/\/+$/, ''),
    token: token === undefined || typeof token === 'function' ? token : tokenProvider(token, clock, skew),
    sign: signingKey === undefined ? undefined : requestSigner(signingKey, clock),
    skew,
    gzip: checkBoolean('gzip', gzip ?? true),
    timeoutMs: checkInteger('timeoutMs', timeoutMs ?? TIMEOUT_MS, 1),
    connections: checkInteger('connections', connections ?? CONNECTIONS, 1, CONNECTIONS_MAX),
    notices: checkBoolean('notices', notices ?? true),
    acceptEmpty: checkBoolean('acceptEmpty', acceptEmpty ?? false),
  };
}

function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw expected(option, 'true or false', value);
}
