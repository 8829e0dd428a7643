// The process of one contender: `subject.js NAME`. Takes jobs from its parent, one at a time, and answers each
// with a measurement. A process of its own keeps one contender's garbage and compiled code from the other's.

import type { LogRecord } from '../../lib/index.js';
import { messageOf } from '../../lib/errors.js';
import type { Appender, Contender } from './contenders/contender.js';
import { file } from './contenders/file.js';
import { undici } from './contenders/undici.js';
import { wal } from './contenders/wal.js';
import type { AppendJob, ContenderName, DeliverJob, Measurement, Request } from './job.js';
import type { Usage } from './meter.js';
import { metered } from './meter.js';
import { makeRecords } from './records.js';
import { percentile } from './statistics.js';

/** What the parent gets for a request. */
export type Reply = { is: 'measured'; measurement: Measurement } | { is: 'failed'; message: string };

const CONTENDERS: Record<ContenderName, Contender> = { wal, file, undici };
/** Appended over and over: far more than one group has, or deflate looks back on, so that nothing repeats to it. */
const RECORDS = 8192;

async function measure(contender: Contender, records: LogRecord[], request: Request): Promise<Measurement> {
  const { job } = request;
  switch (job.is) {
    case 'append':
      return await measureAppend(contender, records, job, request);
    case 'deliver':
      return await measureDelivery(contender, records, job, request);
    default:
      return job satisfies never;
  }
}

async function measureAppend(
  contender: Contender,
  records: LogRecord[],
  job: AppendJob,
  request: Request,
): Promise<Measurement> {
  const appender = await contender.openAppender?.(request);
  if (!appender) throw new Error('this contender does not append');
  try {
    const warmUp = await produce(appender, records, job, job.warmUpMs);
    const { result: latencies, usage } = await metered(
      () => produce(appender, records, job, job.measureMs),
      request.profile,
    );
    const sorted = Float64Array.from(latencies).toSorted();
    const appended = latencies.length * job.recordsPerCall;
    const all = appended + warmUp.length * job.recordsPerCall;
    return {
      ...perRecord(usage, appended),
      latencyP50Ms: percentile(sorted, 50),
      latencyP99Ms: percentile(sorted, 99),
      storedBytesPerRecord: (await appender.storedBytes()) / all,
    };
  } finally {
    await appender.close();
  }
}

/** Appends for so long; returns how long each call took, in ms. */
async function produce(
  appender: Appender,
  records: LogRecord[],
  { producers, recordsPerCall }: AppendJob,
  ms: number,
): Promise<number[]> {
  const latencies: number[] = [];
  const until = performance.now() + ms;
  const producer = async (start: number) => {
    let at = start;
    for (let started = performance.now(); started < until;) {
      if (at + recordsPerCall > records.length) at = 0;
      if (recordsPerCall === 1) await appender.append(records[at]!);
      else await appender.appendMany(records.slice(at, at + recordsPerCall));
      at += recordsPerCall;
      const ended = performance.now();
      latencies.push(ended - started);
      started = ended;
    }
  };
  const apart = Math.floor(records.length / producers);
  await Promise.all(Array.from({ length: producers }, (_, n) => producer(n * apart)));
  return latencies;
}

async function measureDelivery(
  contender: Contender,
  records: LogRecord[],
  job: DeliverJob,
  request: Request,
): Promise<Measurement> {
  const delivery = await contender.prepareDelivery?.(request, job, records);
  if (!delivery) throw new Error('this contender does not deliver');
  try {
    const { result: delivered, usage } = await metered(() => delivery.deliver(), request.profile);
    if (delivered !== job.records) throw new Error(`${delivered} of ${job.records} records were delivered`);
    return perRecord(usage, delivered);
  } finally {
    await delivery.close();
  }
}

function perRecord(usage: Usage, records: number): Measurement {
  return {
    recordsPerSecond: records / usage.seconds,
    cpuUsPerRecord: usage.cpuUs / records,
    loopDelayP99Ms: usage.loopDelayP99Ms,
    writtenBytesPerRecord: usage.writtenBytes / records,
  };
}

const contender = CONTENDERS[process.argv[2] as ContenderName];
const records = makeRecords(RECORDS);
process.on('message', (request: Request) => {
  void measure(contender, records, request).then(
    (measurement) => process.send?.({ is: 'measured', measurement } satisfies Reply),
    (error: unknown) => process.send?.({ is: 'failed', message: messageOf(error) } satisfies Reply),
  );
});
// The parent is done, or gone.
process.once('disconnect', () => process.exit());
