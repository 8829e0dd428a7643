// The demo's producing process: a service that appends to its log and ships it. Tells its parent of every
// acknowledgement, stops where it is told to, and does not expect to be killed.

import { on } from 'node:events';
import { Wal, httpSink, walOptionsFromEnv } from '../../index.js';
import { Failure } from '../errors.js';
import type { OpenLog } from '../open.js';
import type { FromProducer, ToProducer, Work } from './protocol.js';
import { makeRecord } from './records.js';

/** Records on their way to the disk at once: as of so many requests that are being served. */
const CONCURRENCY = 256;
const STATUS_EVERY_MS = 200;

/** Does one job for the process that forked this one. */
export async function runProducer(): Promise<void> {
  if (!process.channel) throw new Failure('the demo starts this by itself');
  process.once('disconnect', orphaned);
  const told: AsyncIterator<[ToProducer]> = on(process, 'message') as AsyncGenerator<[ToProducer]>;
  try {
    await produce(await next(told), () => next(told));
  } catch (error) {
    await send({ is: 'failed', message: error instanceof Error ? error.message : String(error) });
  } finally {
    process.off('disconnect', orphaned);
    process.disconnect();
  }
}

/** Without the parent nobody counts what is acknowledged, and nobody would end this. */
function orphaned(): never {
  process.exit(1);
}

async function produce(job: ToProducer, toldToGo: () => Promise<unknown>): Promise<void> {
  if (job.is !== 'job') throw new Failure('expected a job first');
  const { service, streams, work, holds } = job;
  const { sink, ...options } = walOptionsFromEnv(service);
  await using wal = await Wal.open<Record<string, object>>({
    ...options,
    streams,
    onEvent: (event) => void send({ is: 'event', event }),
  });
  const destination = httpSink(sink!);
  const shippers = Object.keys(wal.stats().streams).map((kind) => wal.ship(kind, destination));
  const status = () => send({ is: 'status', stats: wal.stats() });
  const telling = setInterval(() => void status(), STATUS_EVERY_MS);
  try {
    const feed = feedOf(wal, work);
    for (const hold of holds) {
      await feed(hold);
      await status();
      await send({ is: 'held' });
      await toldToGo();
    }
    // Ships on, until it is killed.
    if (holds.length > 0) await toldToGo();
    await feed(Infinity);
    await Promise.all(shippers.map((shipper) => shipper.idle()));
    await send({ is: 'done', stats: wal.stats() });
  } finally {
    clearInterval(telling);
  }
}

/** Brings so many records (or lines), counted from the start, into the log; resolves when they are acknowledged. */
type Feed = (upTo: number) => Promise<void>;

function feedOf(wal: OpenLog, work: Work): Feed {
  return work.is === 'records' ? recordFeed(wal, work.count) : fileFeed(wal, work.files, work.kind);
}

function recordFeed(wal: OpenLog, count: number): Feed {
  const acknowledged: [id: string, key: string][] = [];
  const tell = () => {
    if (acknowledged.length > 0) void send({ is: 'acknowledged', records: acknowledged.splice(0) });
  };
  let n = 0;
  return async (upTo) => {
    const end = Math.min(upTo, count);
    const append = async () => {
      while (n < end) {
        const { kind, key, record } = makeRecord(n++);
        const { id } = await wal.append(kind, record);
        // One message for what one commit has acknowledged.
        if (acknowledged.push([id, key]) === 1) setImmediate(tell);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, end - n) }, append));
    tell();
  };
}

function fileFeed(wal: OpenLog, files: string[], kind: string): Feed {
  let lines = 0;
  return async (upTo) => {
    if (lines >= upTo) return;
    // Ended in the midst of a file, an import goes on there the next time, also in the next process.
    const part = new AbortController();
    await wal.import(files, {
      kind,
      signal: part.signal,
      onProgress: () => {
        if (++lines >= upTo) part.abort();
      },
      onProblem: (problem) => void send({ is: 'problem', problem }),
    });
  };
}

async function next(told: AsyncIterator<[ToProducer]>): Promise<ToProducer> {
  const { value } = (await told.next()) as IteratorYieldResult<[ToProducer]>;
  return value[0];
}

/** Resolves when the message is on its way; a parent that is gone is told nothing. */
function send(message: FromProducer): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(message, () => resolve());
    else resolve();
  });
}
