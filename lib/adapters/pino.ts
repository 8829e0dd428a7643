// `@nv/wal/pino`: a pino transport, in the worker thread that pino gives it, with a log of its own. Nothing that
// pino hands over is lost when the process ends in any way that runs its exit handlers: the worker appends
// everything before it lets the process go.

import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { callbackify } from 'node:util';
import build from 'pino-abstract-transport';
import { Wal, httpSink, systemClock } from '../index.js';
import type { HttpSinkOptions, WalOptions } from '../index.js';
import { lineReader } from './pino-line.js';
import type { LineOptions } from './pino-line.js';
import { LineWriter } from './pino-writer.js';

/** Options of `Wal.open` as far as they can be passed to a thread, and the transport's own. */
export interface PinoTransportOptions
  extends Omit<WalOptions, 'onEvent' | 'clock' | 'sink' | 'service'>, LineOptions {
  /** Part of the log's path. The service's own log is another one. @default 'pino' */
  instance?: string;
  /** Ships the `log` stream from here; `walOptionsFromEnv` brings it. @default whoever ships the log otherwise */
  sink?: HttpSinkOptions;
  /**
   * How long the end of the process may wait for the backlog to be delivered, in ms. What is not delivered stays, and
   * is delivered later. pino gives up after 10 s. @default 0
   */
  drainMs?: number;
}

/** What pino puts beside the options. */
interface FromPino {
  $context?: unknown;
  pinoWillSendConfig?: unknown;
}

/**
 * What pino calls, in the worker.
 *
 * @throws {WalError} As `Wal.open` and `httpSink`; pino's stream emits it as an `error`.
 *
 * @example
 * const transport = pino.transport({ target: '@nv/wal/pino', options: walOptionsFromEnv('gateway') });
 */
export default async function walTransport(options: PinoTransportOptions & FromPino) {
  const { $context: _, pinoWillSendConfig: __, ...given } = options;
  const { levels, messageKey, drainMs = 0, sink, ...walOptions } = given;
  const onEvent = (event: object) => say(JSON.stringify(event));
  const wal = await Wal.open({ instance: 'pino', ...walOptions, onEvent });
  try {
    if (sink) wal.ship('log', httpSink(sink));
  } catch (error) {
    await wal.close();
    throw error;
  }
  const { service } = walOptions;
  const format = { service, ...(levels && { levels }), ...(messageKey !== undefined && { messageKey }) };
  const readLine = lineReader(format, () => systemClock.now());
  const writer = new LineWriter(wal, systemClock, say);
  const stream = build((source) => writer.read(source), {
    parseLine: (line) => ({ record: readLine(line), bytes: line.length }),
    metadata: false,
    // Called when the last line was taken. The process that ends waits until this is done.
    close: async (error: Error | null) => {
      await writer.end();
      await wal.close({ drainMs });
      if (error) throw error;
    },
  });
  stream.on('unknown', (_line, error) => writer.lose(error));
  const flush = () => writer.flush();
  return Object.assign(stream, {
    // pino's own `flush(callback)` asks for it.
    flush,
    // A `pipeline` of pino's is over, and the process with it, when its last stream has finished: not before all is stored.
    _final: callbackify(flush),
  });
}

/**
 * A signal that nobody handles ends a process at once, without its exit handlers, and with it what is on its way to
 * the worker. This turns it into `process.exit(128 + n)`, wherever nobody else listens to the signal.
 */
export function exitOnSignals(signals: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']): void {
  for (const signal of signals) {
    if (!process.listeners(signal).includes(exitOnSignal)) process.on(signal, exitOnSignal);
  }
}

function exitOnSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
}

/** At once: the thread that would pass on a worker's `process.stderr` may be waiting for this one. */
function say(text: string): void {
  try {
    writeSync(2, `@nv/wal/pino: ${text}\n`);
  } catch {
    // There is nobody to tell.
  }
}
