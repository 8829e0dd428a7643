// What an `info()` costs, next to bare pino: `logger-process.js`, asked with a `LoggerJob`, answers `LoggerCosts`. All
// write the same line to /dev/null; they take turns in one process.

import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { createLogger } from '../../lib/adapters/logger.js';
import { messageOf } from '../../lib/errors.js';
import { Wal } from '../../lib/index.js';
import type { LoggerCost, LoggerCosts, LoggerJob, LoggerName } from './logger.js';

/** Calls between two turns of the event loop: a busy request's. */
const BURST = 50;

interface Subject {
  readonly log: { info(data: object, msg: string): void };
  /** Resolves when everything that was logged is where it belongs. */
  settle(): Promise<unknown>;
}

async function measure({ dir, rounds, calls }: LoggerJob): Promise<LoggerCosts> {
  const service = 'bench';
  await using wal = await Wal.open({ service, varDir: dir, reserveBytes: 0, alerts: false });
  const bare = pino(
    { level: 'debug', base: { service } },
    pino.destination({ dest: '/dev/null', sync: true }),
  );
  const context = { request: 'f3b1c2d4e5f60718', user: 'u-123456', category: 'http' };
  const logger = (persists: boolean) =>
    createLogger({ wal, service, policy: () => persists, console: bare }).bind(context);
  const event = { ts: 1, service, actor: 'me', action: 'settle', resource: 'log', outcome: 'ok' };
  const subjects: Record<LoggerName, Subject> = {
    pino: { log: bare.child(context), settle: () => Promise.resolve() },
    'not persisted': { log: logger(false), settle: () => Promise.resolve() },
    persisted: { log: logger(true), settle: () => wal.append('audit', event) },
  };
  const costs: LoggerCosts = { pino: [], 'not persisted': [], persisted: [] };
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, subject] of Object.entries(subjects) as [LoggerName, Subject][]) {
      const cost = await costOf(subject, calls);
      if (round > 0) costs[name].push(cost);
    }
  }
  if (wal.offersFailed > 0) throw new Error(`${wal.offersFailed} records were not persisted`);
  return costs;
}

async function costOf({ log, settle }: Subject, calls: number): Promise<LoggerCost> {
  const cpu = process.cpuUsage();
  let ms = 0;
  for (let done = 0; done < calls; done += BURST) {
    const started = performance.now();
    for (let n = 0; n < BURST; n++)
      log.info({ status: 200, ms: done + n, path: '/api/orders/1234' }, 'answered');
    ms += performance.now() - started;
    await turn();
  }
  await settle();
  const { user, system } = process.cpuUsage(cpu);
  return { callUs: (ms * 1000) / calls, cpuUs: (user + system) / calls };
}

process.on('message', (job: LoggerJob) => {
  void measure(job).then(
    (costs) => process.send?.({ costs }),
    (error: unknown) => process.send?.({ failed: messageOf(error) }),
  );
});
// The parent is done, or gone.
process.once('disconnect', () => process.exit());
