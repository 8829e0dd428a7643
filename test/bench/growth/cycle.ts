// One round of work on a log with a backlog: opened, looked at, appended to, delivered from, evicted from, closed.

import type { LogRecord, Sink } from '../../../lib/index.js';
import { Wal, httpSink } from '../../../lib/index.js';
import { TOKEN, fill, walOptions } from '../contenders/wal.js';
import { percentilesOf, produceWhile } from '../measure.js';
import { spreadOf } from '../statistics.js';
import type { Cycle } from './job.js';

/** Enough for every backlog: what is evicted is evicted on purpose. */
const LOG_BYTES_MAX = 64 * 2 ** 30;
const PRODUCERS = 1024;
export const TOGETHER = 500;
const STATS_CALLS = 20_000;
/** Of what takes next to no time: their median counts. */
const ROUNDS = 9;
const DUMPED = 100;

export async function openLarge(dir: string): Promise<Wal> {
  return await Wal.open({ ...walOptions(dir), maxBytes: LOG_BYTES_MAX });
}

export async function timedOpen(dir: string): Promise<{ log: Wal; openMs: number }> {
  const started = performance.now();
  const log = await openLarge(dir);
  return { log, openMs: performance.now() - started };
}

/** Leaves the backlog as large as it was. */
export async function work(
  { dir, sinkUrl, backlog, work: count }: { dir: string; sinkUrl: string; backlog: number; work: number },
  records: readonly LogRecord[],
): Promise<Cycle> {
  const { log, openMs } = await timedOpen(dir);
  try {
    const looks = { openMs, ...(await timedLooks(log)) };
    const append = await timedAppend(log, records, count);
    const deliverPerSecond = await timedDelivery(log, sinkUrl, count);
    await fill(log, records, backlog + count - backlogOf(log), TOGETHER);
    const evictPerSecond = await timedEviction(log, count);
    await fill(log, records, Math.max(0, backlog - backlogOf(log)), TOGETHER);
    return { ...looks, ...append, deliverPerSecond, evictPerSecond };
  } finally {
    await log.close();
  }
}

export function backlogOf(log: Wal): number {
  return log.stats().streams['log']!.shippers['default']!.backlogRecords;
}

async function timedLooks(log: Wal): Promise<Pick<Cycle, 'statsUs' | 'dumpMs'>> {
  const stats: number[] = [];
  const dumps: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    stats.push(timedStats(log));
    dumps.push(await timedDump(log));
  }
  return { statsUs: spreadOf(stats).median, dumpMs: spreadOf(dumps).median };
}

function timedStats(log: Wal): number {
  const started = performance.now();
  for (let n = 0; n < STATS_CALLS; n++) log.stats();
  return ((performance.now() - started) * 1000) / STATS_CALLS;
}

async function timedDump(log: Wal): Promise<number> {
  const started = performance.now();
  const from = log.stats().streams['log']!.lastSeq - DUMPED + 1;
  let seen = 0;
  for await (const item of log.read('log', { from })) seen += item.seq >= from ? 1 : 0;
  if (seen !== DUMPED) throw new Error(`${seen} of ${DUMPED} records were read`);
  return performance.now() - started;
}

async function timedAppend(
  log: Wal,
  records: readonly LogRecord[],
  count: number,
): Promise<Pick<Cycle, 'appendPerSecond' | 'appendP99Ms'>> {
  let left = count;
  const appender = {
    append: (record: LogRecord) => log.append('log', record),
    appendMany: (some: readonly LogRecord[]) => log.appendMany('log', some),
    close: () => log.close(),
  };
  const started = performance.now();
  const load = { producers: PRODUCERS, recordsPerCall: 1 };
  const latencies = await produceWhile(appender, records, load, () => left-- > 0);
  const seconds = (performance.now() - started) / 1000;
  return { appendPerSecond: count / seconds, appendP99Ms: percentilesOf(latencies).latencyP99Ms };
}

async function timedDelivery(log: Wal, sinkUrl: string, count: number): Promise<number> {
  const sink = httpSink({ baseUrl: sinkUrl, token: TOKEN });
  let delivered = 0;
  let finish = () => {};
  const enough = new Promise<void>((resolve) => (finish = resolve));
  const counting: Sink = {
    name: sink.name,
    send: async (batch, context) => {
      const receipt = await sink.send(batch, context);
      delivered += batch.count;
      if (delivered >= count) finish();
      return receipt;
    },
    close: async () => await sink.close?.(),
  };
  const started = performance.now();
  const shipper = log.ship('log', counting);
  await enough;
  const perSecond = (delivered * 1000) / (performance.now() - started);
  await shipper.stop();
  return perSecond;
}

async function timedEviction(log: Wal, count: number): Promise<number> {
  const { storedBytes } = log.stats().streams['log']!;
  const kept = 1 - count / backlogOf(log);
  const started = performance.now();
  const { evicted } = await log.evict({ kind: 'log', maxBytes: Math.floor(storedBytes * kept) });
  return (evicted * 1000) / (performance.now() - started);
}
