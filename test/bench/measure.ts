// One measurement of one contender: the work of a job, under the meters.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogRecord } from '../../lib/index.js';
import type { Appender, Contender, Delivery } from './contenders/contender.js';
import type { AppendJob, BacklogJob, Measurement, PathJob, Request } from './job.js';
import type { Usage } from './meter.js';
import { metered } from './meter.js';
import { wireBytesPerRecord } from './records.js';
import { percentile } from './statistics.js';

/** What the kernel counts a file's room in. */
const BLOCK_BYTES = 512;

export async function measure(
  contender: Contender,
  records: readonly LogRecord[],
  request: Request,
): Promise<Measurement> {
  const { job } = request;
  switch (job.is) {
    case 'append':
      return await measureAppend(contender, records, job, request);
    case 'path':
      return await measurePath(contender, records, job, request);
    case 'deliver':
      return await measureBacklog(contender.prepareDelivery?.(request, job, records), job, request);
    case 'assemble':
      return await measureBacklog(contender.prepareAssembly?.(request, job, records), job, request);
    default:
      return job satisfies never;
  }
}

async function measureAppend(
  contender: Contender,
  records: readonly LogRecord[],
  job: AppendJob,
  request: Request,
): Promise<Measurement> {
  const appender = await contender.openAppender?.(request);
  if (!appender) throw new Error('this contender does not append');
  try {
    const empty = await roomOf(request.dir);
    const warmUp = await produce(appender, records, job, job.warmUpMs);
    const { result: latencies, usage } = await metered(
      () => produce(appender, records, job, job.measureMs),
      request.profile,
    );
    const all = (latencies.length + warmUp.length) * job.recordsPerCall;
    const storedBytesPerRecord = ((await roomOf(request.dir)) - empty) / all;
    return {
      ...perRecord(usage, latencies.length * job.recordsPerCall),
      ...percentilesOf(latencies),
      storedBytesPerRecord,
      storedToWire: storedBytesPerRecord / wireBytesPerRecord(records),
    };
  } finally {
    await appender.close();
  }
}

async function measurePath(
  contender: Contender,
  records: readonly LogRecord[],
  job: PathJob,
  request: Request,
): Promise<Measurement> {
  const path = await contender.openPath?.(request);
  if (!path) throw new Error('this contender does not go the whole way');
  try {
    await produce(path, records, job, job.warmUpMs);
    const before = await path.drained();
    const { result, usage } = await metered(async () => {
      const latencies = await produce(path, records, job, job.measureMs);
      return { latencies, drained: (await path.drained()) - before };
    }, request.profile);
    const appended = result.latencies.length * job.recordsPerCall;
    if (result.drained !== appended)
      throw new Error(`${result.drained} of ${appended} records were delivered`);
    return { ...perRecord(usage, appended), ...percentilesOf(result.latencies) };
  } finally {
    await path.close();
  }
}

async function measureBacklog(
  prepared: Promise<Delivery> | undefined,
  { records }: BacklogJob,
  { profile }: Request,
): Promise<Measurement> {
  const delivery = await prepared;
  if (!delivery) throw new Error('this contender does not do this');
  try {
    const { result: delivered, usage } = await metered(() => delivery.deliver(), profile);
    if (delivered !== records) throw new Error(`${delivered} of ${records} records were delivered`);
    return perRecord(usage, delivered);
  } finally {
    await delivery.close();
  }
}

/** What producers do. */
export interface Load {
  readonly producers: number;
  readonly recordsPerCall: number;
}

/** Appends for so long; returns how long each call took, in ms. */
export async function produce(
  appender: Appender,
  records: readonly LogRecord[],
  { producers, recordsPerCall }: Load,
  ms: number,
): Promise<number[]> {
  const until = performance.now() + ms;
  return await produceWhile(
    appender,
    records,
    { producers, recordsPerCall },
    () => performance.now() < until,
  );
}

/** Appends until told to stop: asked before each call. */
export async function produceWhile(
  appender: Appender,
  records: readonly LogRecord[],
  { producers, recordsPerCall }: Load,
  goesOn: () => boolean,
): Promise<number[]> {
  const latencies: number[] = [];
  const producer = async (start: number) => {
    let at = start;
    while (goesOn()) {
      const started = performance.now();
      if (at + recordsPerCall > records.length) at = 0;
      if (recordsPerCall === 1) await appender.append(records[at]!);
      else await appender.appendMany(records.slice(at, at + recordsPerCall));
      at += recordsPerCall;
      latencies.push(performance.now() - started);
    }
  };
  const apart = Math.floor(records.length / producers);
  await Promise.all(Array.from({ length: producers }, (_, n) => producer(n * apart)));
  return latencies;
}

export function percentilesOf(
  latencies: readonly number[],
): Pick<Required<Measurement>, 'latencyP50Ms' | 'latencyP99Ms'> {
  const sorted = Float64Array.from(latencies).toSorted();
  return { latencyP50Ms: percentile(sorted, 50), latencyP99Ms: percentile(sorted, 99) };
}

/** What a folder's files take up on the disk, in bytes. */
export async function roomOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      try {
        return (await stat(join(parentPath, name))).blocks * BLOCK_BYTES;
      } catch (error) {
        // Compacted away meanwhile.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
        throw error;
      }
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function perRecord(usage: Usage, records: number): Measurement {
  return {
    recordsPerSecond: records / usage.seconds,
    cpuUsPerRecord: usage.cpuUs / records,
    loopDelayP99Ms: usage.loopDelayP99Ms,
    writtenBytesPerRecord: usage.writtenBytes / records,
  };
}
