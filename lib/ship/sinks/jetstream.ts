// Delivers into a NATS JetStream stream: a message a line, in order, each once. Must not know cursors or retries: what
// fails is said once, as a SinkError; the next call finds out what the stream has and goes on behind it.

import type { Clock } from '../../clock.js';
import { systemClock } from '../../clock.js';
import { WalError } from '../../errors.js';
import type { Batch, Receipt, SendContext, Sink } from '../sink.js';
import { SinkError } from '../sink.js';
import type { Connection } from './jetstream/connection.js';
import { checkInstalled, connectTo } from './jetstream/connection.js';
import { failureOf, meaningOf } from './jetstream/failure.js';
import type { Line } from './jetstream/line.js';
import { linesIn } from './jetstream/line.js';
import type { JetStreamConfig, JetStreamSinkOptions } from './jetstream/options.js';
import { checkJetStreamOptions } from './jetstream/options.js';
import { publish } from './jetstream/publish.js';
import type { End } from './jetstream/subject.js';
import { endOf, idsOn } from './jetstream/subject.js';

/** What a message's headers may take of the server's `max_payload`. */
const HEADER_BYTES_MAX = 1024;
/** How often a send may look where the subject ends without getting on. */
const FRUITLESS_MAX = 5;
/** How long an abort waits for acknowledgements that are on their way, in ms: they may complete a receipt. */
const GRACE_MS = 1_000;
/** Subjects whose end is remembered. */
const ENDS_MAX = 1000;

/**
 * A sink that publishes to JetStream: each line, notices too, is a message on `<prefix>.<logId>.<kind>` with its id as
 * `Nats-Msg-Id` and chained to the one before. Serves any number of streams; what they send goes one batch at a time,
 * pipelined. Needs the packages `@nats-io/transport-node` and `@nats-io/jetstream`.
 *
 * ```ts
 * const sink = jetStreamSink({ servers: 'nats://localhost:4222', stream: 'WAL' });
 * const shipper = wal.ship('audit', sink);
 * ```
 *
 * `send` rejects with a `SinkError`; with the signal's reason where `signal` fired before every line was acknowledged;
 * with `WAL_CLOSED` after `close`. `close` waits for what is on its way.
 *
 * @throws {WalError} `WAL_CONFIG` naming the option that does not fit, or the package that is missing.
 */
export function jetStreamSink(options: JetStreamSinkOptions, clock: Clock = systemClock): Sink {
  const config = checkJetStreamOptions(options);
  checkInstalled();
  return new JetStreamSink(config, clock);
}

class JetStreamSink implements Sink {
  readonly name: string;
  readonly notices: boolean;
  // Private by #: it holds credentials.
  readonly #config: JetStreamConfig;
  readonly #clock: Clock;
  readonly #ends = new Map<string, End>();
  #connection: Connection | undefined;
  /** One batch at a time: two pipelines into one stream would break each other's predictions. */
  #turn: Promise<unknown> = Promise.resolve();
  #window: number;
  #closed: Promise<void> | undefined;

  constructor(config: JetStreamConfig, clock: Clock) {
    this.name = config.name;
    this.notices = config.notices;
    this.#config = config;
    this.#clock = clock;
    this.#window = config.inFlightMax;
  }

  async send(batch: Batch, { signal }: SendContext): Promise<Receipt> {
    if (this.#closed) throw new WalError('WAL_CLOSED', `the sink to ${this.name} was closed`);
    const sending = this.#turn.then(() => this.#deliver(batch, signal));
    this.#turn = sending.catch(() => {});
    return await untilLongAborted(sending, signal, this.#clock);
  }

  close(): Promise<void> {
    this.#closed ??= this.#turn.then(() => this.#disconnect());
    return this.#closed;
  }

  async #deliver(batch: Batch, signal: AbortSignal): Promise<Receipt> {
    signal.throwIfAborted();
    const lines = linesIn(await batch.lines());
    const subject = `${this.#config.subjectPrefix}.${batch.logId}.${batch.kind}`;
    try {
      const connection = await this.#connect();
      checkSizes(lines, connection.nats.info?.max_payload ?? Infinity);
      return await this.#publish(connection, subject, lines, signal);
    } catch (error) {
      this.#ends.delete(subject);
      signal.throwIfAborted();
      if (error instanceof WalError) throw error;
      const failure = failureOf(error, `${this.name} does not take ${subject}`);
      // Whatever was on its way is not waited for: the next connection finds what there is.
      if (failure.failure === 'outage') await this.#disconnect();
      throw failure;
    }
  }

  /** Until the stream has every line, or something is in the way that looking again does not help. */
  async #publish(
    connection: Connection,
    subject: string,
    lines: readonly Line[],
    signal: AbortSignal,
  ): Promise<Receipt> {
    const { stream, timeoutMs } = this.#config;
    let left = lines;
    let duplicates = 0;
    for (let fruitless = 0; left.length > 0;) {
      const end = this.#ends.get(subject) ?? (await endOf(connection, stream, subject));
      const missing = await this.#missing(connection, subject, left, end);
      duplicates += left.length - missing.length;
      const isOn = missing.length < left.length;
      left = missing;
      const published = await publish(left, end, {
        connection,
        stream,
        subject,
        timeoutMs,
        window: this.#window,
        signal,
      });
      left = left.slice(published.done);
      duplicates += published.duplicates;
      this.#remember(subject, published.end);
      if (left.length === 0) break;
      signal.throwIfAborted();
      fruitless = isOn || published.done > 0 ? 0 : fruitless + 1;
      this.#window = Math.max(1, Math.floor(this.#window / 2));
      checkWorthAnotherLook(published.error, fruitless, subject);
    }
    this.#window = Math.min(this.#config.inFlightMax, this.#window * 2);
    return { accepted: lines.length - duplicates, duplicates };
  }

  /** The lines that are not on the subject. */
  async #missing(
    connection: Connection,
    subject: string,
    lines: readonly Line[],
    end: End,
  ): Promise<readonly Line[]> {
    const known = lines.filter(({ seq }) => seq <= end.head);
    if (known.length === 0) return lines;
    const found = await idsOn(connection, this.#config.stream, subject, known, end);
    return lines.filter(({ id }) => !found.has(id));
  }

  #remember(subject: string, end: End | undefined): void {
    this.#ends.delete(subject);
    if (end && this.#ends.size < ENDS_MAX) this.#ends.set(subject, end);
  }

  async #connect(): Promise<Connection> {
    if (this.#connection?.nats.isClosed()) await this.#disconnect();
    this.#connection ??= await connectTo(this.#config);
    return this.#connection;
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#ends.clear();
    await connection?.nats.close();
  }
}

/** What `sending` comes to; the signal's reason where that takes longer than a moment after it fired. */
async function untilLongAborted<T>(sending: Promise<T>, signal: AbortSignal, clock: Clock): Promise<T> {
  const ended = new AbortController();
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true, signal: ended.signal });
  });
  const givenUp = aborted
    .then(() => clock.sleep(GRACE_MS, ended.signal))
    .then(() => Promise.reject(signal.reason as Error));
  givenUp.catch(() => {});
  try {
    return await Promise.race([sending, givenUp]);
  } finally {
    ended.abort();
  }
}

/** Looking again is right where the subject ended elsewhere, and once where nobody listened. */
function checkWorthAnotherLook(error: Error | undefined, fruitless: number, subject: string): void {
  if (error === undefined) return;
  const meaning = meaningOf(error);
  if (meaning === 'behind' && fruitless < FRUITLESS_MAX) return;
  if (meaning !== 'no-responders') throw error;
  if (fruitless > 1) {
    throw new SinkError('misconfigured', `no stream takes the subject ${subject}`, { cause: error });
  }
}

function checkSizes(lines: readonly Line[], payloadBytesMax: number): void {
  for (const { id, bytes } of lines) {
    if (bytes.length + HEADER_BYTES_MAX > payloadBytesMax) {
      const limit = `${payloadBytesMax} bytes with ${HEADER_BYTES_MAX} for headers`;
      throw new SinkError('too-large', `${id} has ${bytes.length} bytes; the server takes ${limit}`);
    }
  }
}
