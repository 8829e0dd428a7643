// The end of a service: no new requests, an answer for those that are there, then what waits is delivered and the
// log closed. One budget for all of it; what it does not suffice for stays on disk. Knows servers and a log by what
// it asks of them.

import { constants } from 'node:os';
import { WalError, systemClock } from '../index.js';
import type { Clock, WalStats } from '../index.js';
import { closeServer, watchServer } from './server-close.js';
import type { ClosableServer, WatchedServer } from './server-close.js';

export type { ClosableServer } from './server-close.js';

/** What is needed of a log: any `Wal`. */
export interface ClosableLog {
  stats(): WalStats;
  close(options: { drainMs: number }): Promise<void>;
}

export interface ShutdownOptions {
  wal: ClosableLog;
  /** What takes requests, to be closed first: servers of node:http, which is what Express listens with, or Fastify instances. @default none */
  servers?: readonly ClosableServer[];
  /** How long answering and delivering may take together, in ms. Integer, 0 to 3,600,000. @default 10_000 */
  drainMs?: number;
  /** What begins it. @default ['SIGTERM', 'SIGINT'] */
  signals?: readonly NodeJS.Signals[];
  /** Called, and waited for, when all is done and before the process ends: to close what else is open. What it throws makes the code 1. */
  onDone?: (report: ShutdownReport) => unknown;
  /** Ends the process. @default process.exit */
  exit?: (code: number) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

/**
 * How it ended, and the exit code:
 *
 * | code | meaning |
 * | --- | --- |
 * | 0 | every request was answered, what running shippers had to deliver is delivered, the log is closed |
 * | 1 | something failed: `error` says what. What was acknowledged is on disk all the same |
 * | 3 | the time was up: requests were cut off, or records wait on disk for the next start |
 * | 128 + the signal's number | a second signal ended it at once; nobody hears of that one |
 */
export interface ShutdownReport {
  code: 0 | 1 | 3;
  /** Servers whose last requests got no answer. */
  serversCut: number;
  /** Records that running shippers had not delivered. */
  backlogRecords: number;
  error?: unknown;
}

export interface Shutdown extends Disposable {
  /** Does what the first signal does; resolves when all is done, `onDone` and `exit` included. Callers share one. */
  begin(): Promise<ShutdownReport>;
  /** Signals are no longer listened to, unless it has begun. */
  [Symbol.dispose](): void;
}

/** npm passes on a Ctrl-C that the terminal has sent to everyone already: that is one wish, not two. */
const ECHO_MS = 300;
const DRAIN_MS_MAX = 3_600_000;

/**
 * Ends a service on the first SIGTERM or SIGINT as `ShutdownReport` tells, and at once on a second.
 *
 * @example gracefulShutdown({ wal, servers: [app.listen(8080)], drainMs: 10_000 });
 *
 * @throws {WalError} `WAL_CONFIG`: an option does not fit.
 */
export function gracefulShutdown(options: ShutdownOptions): Shutdown {
  const {
    signals = ['SIGTERM', 'SIGINT'],
    exit = (code) => process.exit(code),
    clock = systemClock,
  } = options;
  const { servers = [], drainMs = 10_000 } = options;
  if (!Number.isSafeInteger(drainMs) || drainMs < 0 || drainMs > DRAIN_MS_MAX) {
    throw new WalError(
      'WAL_CONFIG',
      `expected drainMs to be an integer from 0 to ${DRAIN_MS_MAX}, got ${drainMs}`,
    );
  }
  const watched = servers.map(watchServer);
  let running: { since: number; report: Promise<ShutdownReport> } | undefined;
  const begin = (): Promise<ShutdownReport> => {
    running ??= { since: clock.monotonic(), report: end() };
    return running.report;
  };
  const end = async (): Promise<ShutdownReport> => {
    // Waits do not keep a process alive, and it must not end on its way.
    const keepAlive = setInterval(() => {}, 2 ** 30);
    const report = await endService({ ...options, drainMs, clock }, watched);
    clearInterval(keepAlive);
    forget();
    exit(report.code);
    return report;
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!running) void begin();
    // What was acknowledged is on disk: there is nothing to lose.
    else if (clock.monotonic() - running.since > ECHO_MS) exit(128 + constants.signals[signal]);
  };
  const forget = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
    for (const server of watched) server.unwatch();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    begin,
    [Symbol.dispose]: () => {
      if (!running) forget();
    },
  };
}

/** Never rejects. The order is what it is about: who may still append is closed before the log. */
async function endService(
  options: ShutdownOptions & { drainMs: number; clock: Clock },
  servers: readonly WatchedServer[],
): Promise<ShutdownReport> {
  const { wal, drainMs, clock } = options;
  const until = clock.monotonic() + drainMs;
  const failures: unknown[] = [];
  const closed = await Promise.allSettled(servers.map((server) => closeServer(server, drainMs, clock)));
  for (const server of closed) if (server.status === 'rejected') failures.push(server.reason);
  const serversCut = closed.filter(
    (server) => server.status === 'fulfilled' && server.value === 'cut',
  ).length;
  const shipped = shippedBy(wal.stats());
  await wal
    .close({ drainMs: Math.max(0, Math.floor(until - clock.monotonic())) })
    .catch((error: unknown) => failures.push(error));
  const { streams } = wal.stats();
  const left = shipped.map(([kind, name]) => streams[kind]?.shippers[name]?.backlogRecords ?? 0);
  const backlogRecords = left.reduce((sum, records) => sum + records, 0);
  const report = reportOf(failures, serversCut, backlogRecords);
  try {
    await options.onDone?.(report);
    return report;
  } catch (error) {
    return reportOf([...failures, error], serversCut, backlogRecords);
  }
}

/** Cursors whose shipper runs here: what waits for others is not this process's to deliver. */
function shippedBy({ streams }: WalStats): [kind: string, name: string][] {
  return Object.entries(streams).flatMap(([kind, { shippers }]) =>
    Object.entries(shippers).flatMap(([name, { state }]) =>
      state === 'none' ? [] : [[kind, name] satisfies [string, string]],
    ),
  );
}

function reportOf(failures: readonly unknown[], serversCut: number, backlogRecords: number): ShutdownReport {
  const counts = { serversCut, backlogRecords };
  if (failures.length > 0) return { code: 1, ...counts, error: failures[0] };
  return { code: serversCut > 0 || backlogRecords > 0 ? 3 : 0, ...counts };
}
