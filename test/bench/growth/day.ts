// A day of a service, squeezed into minutes: more by day than by night, the receiver down at noon for longer than the
// budget holds. The log's clock runs as much faster, so that what waits for seconds or minutes does so in proportion.

import { createHistogram } from 'node:perf_hooks';
import type { LogRecord, Sink } from '../../../lib/index.js';
import { SinkError, Wal, httpSink } from '../../../lib/index.js';
import type { Clock } from '../../../lib/clock.js';
import { systemClock } from '../../../lib/clock.js';
import { TOKEN, walOptions } from '../contenders/wal.js';
import type { Day, DaySample } from './job.js';

const HOURS = 24;
const HOUR_MS = 3_600_000;
const BUDGET_BYTES = 48 * 1_048_576;
/** Appended on average in each second of the run, so that a day of four minutes has 4.8 million records. */
const RECORDS_PER_SECOND = 20_000;
/** How much more by day, and less by night. */
const SWING = 0.8;
const OUTAGES = [
  { from: 3, to: 3.5 },
  { from: 10, to: 14 },
];
const SAMPLES_PER_HOUR = 8;
const TICK_MS = 4;
/** Appends on their way at most: beyond, the service is slower than its day. */
const WAITING_MAX = 1024;
/** Of the run's own time: the squeezed clock must not make a busy machine look like a dead receiver. */
const PATIENCE_MS = 30_000;

export async function live(
  { dir, sinkUrl, minutes }: { dir: string; sinkUrl: string; minutes: number },
  records: readonly LogRecord[],
): Promise<Day> {
  const times = (HOURS * HOUR_MS) / (minutes * 60_000);
  const clock = squeezed(times);
  const began = clock.monotonic();
  const hourNow = () => (clock.monotonic() - began) / HOUR_MS;
  const log = await Wal.open({ ...walOptions(dir), maxBytes: BUDGET_BYTES, clock });
  const sink = httpSink({ baseUrl: sinkUrl, token: TOKEN, timeoutMs: PATIENCE_MS });
  const shipper = log.ship(
    'log',
    outages(sink, () => isDown(hourNow())),
  );
  try {
    const samples = await append(log, records, hourNow);
    await shipper.idle();
    const stream = log.stats().streams['log']!;
    const { delivered, dropped } = stream.shippers['default']!;
    if (delivered + dropped !== stream.lastSeq)
      throw new Error(`${stream.lastSeq} appended, ${delivered} delivered, ${dropped} dropped`);
    const totals = { appended: stream.lastSeq, delivered, dropped };
    return { minutes, maxBytes: BUDGET_BYTES, outages: OUTAGES, samples, ...totals };
  } finally {
    await log.close();
  }
}

async function append(log: Wal, records: readonly LogRecord[], hourNow: () => number): Promise<DaySample[]> {
  const samples: DaySample[] = [];
  const part = new Part(log);
  const appending = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let made = 0;
  let due = 0;
  let last = performance.now();
  for (let hour = hourNow(); hour < HOURS; hour = hourNow()) {
    const now = performance.now();
    due += (rateAt(hour) * (now - last)) / 1000;
    last = now;
    for (; due >= 1 && appending.size < WAITING_MAX; due--) {
      const record = records[made++ % records.length]!;
      const appended = part
        .timed(() => log.append('log', record))
        .catch((error: unknown) => {
          failures.push(error);
        });
      appending.add(appended);
      void appended.then(() => appending.delete(appended));
    }
    if (failures.length > 0) throw failures[0];
    if (hour * SAMPLES_PER_HOUR >= samples.length + 1) samples.push(part.sample(hour));
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(appending);
  return samples;
}

/** What happens between two samples. */
class Part {
  readonly #log: Wal;
  readonly #latencies = createHistogram();
  #began = performance.now();
  #deliveredBefore = 0;

  constructor(log: Wal) {
    this.#log = log;
  }

  async timed(call: () => Promise<unknown>): Promise<void> {
    const started = performance.now();
    await call();
    this.#latencies.record(Math.max(1, Math.round((performance.now() - started) * 1000)));
  }

  /** Ends this part and begins the next. */
  sample(hour: number): DaySample {
    const seconds = (performance.now() - this.#began) / 1000;
    const { streams, diskBytes } = this.#log.stats();
    const { delivered, backlogBytes } = streams['log']!.shippers['default']!;
    const sample = {
      hour,
      appendedPerSecond: this.#latencies.count / seconds,
      deliveredPerSecond: (delivered - this.#deliveredBefore) / seconds,
      latencyP50Ms: this.#latencies.percentile(50) / 1000,
      latencyP99Ms: this.#latencies.percentile(99) / 1000,
      backlogBytes,
      diskBytes,
      rssBytes: process.memoryUsage.rss(),
    };
    this.#began = performance.now();
    this.#deliveredBefore = delivered;
    this.#latencies.reset();
    return sample;
  }
}

/** Records a second of the run: least in the dead of night, most in the afternoon. */
function rateAt(hour: number): number {
  return RECORDS_PER_SECOND * (1 - SWING * Math.cos(((hour - 3) / HOURS) * 2 * Math.PI));
}

function isDown(hour: number): boolean {
  return OUTAGES.some(({ from, to }) => hour >= from && hour < to);
}

function outages(sink: Sink, down: () => boolean): Sink {
  return {
    name: sink.name,
    send: async (batch, context) => {
      if (down()) throw new SinkError('outage', 'down, as this day has it');
      return await sink.send(batch, context);
    },
    close: async () => await sink.close?.(),
  };
}

/** The system's clock, so many times faster. */
function squeezed(times: number): Clock {
  const began = Date.now();
  return {
    now: () => Math.round(began + (Date.now() - began) * times),
    monotonic: () => systemClock.monotonic() * times,
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
  };
}
