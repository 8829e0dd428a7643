// An HTTP sink and the destination it sends to, for one test; and how its sends end.

import * as assert from 'uvu/assert';
import type { HttpSinkOptions } from '../../lib/config.js';
import { httpSink } from '../../lib/ship/sinks/http.js';
import { SinkError } from '../../lib/ship/sink.js';
import type { Batch, FailureKind, Receipt, Sink } from '../../lib/ship/sink.js';
import { batchOf, recordLines } from './batch.js';
import { answering, withDestination } from './destination.js';
import type { AnswerWith, Destination } from './destination.js';
import { ManualClock } from './manual-clock.js';

/** Records 1 to 3 of `audit`. */
export const LINES: readonly string[] = recordLines(3);
export const BATCH: Batch = batchOf([...LINES]);

/** The answer that settles `BATCH`. */
export const settling: AnswerWith = answering(200, { accepted: 3 });

/** A destination, and a sink to it whose clock stands still. */
export async function withHttpSink(
  answer: AnswerWith,
  options: Partial<HttpSinkOptions>,
  use: (both: Destination & { sink: Sink; clock: ManualClock }) => Promise<unknown>,
): Promise<void> {
  await withDestination(answer, async (destination) => {
    const clock = new ManualClock();
    const sink = httpSink({ baseUrl: destination.origin, ...options }, clock);
    try {
      await use({ ...destination, sink, clock });
    } finally {
      await sink.close?.();
    }
  });
}

export function send(sink: Sink, batch: Batch = BATCH): Promise<Receipt> {
  return sink.send(batch, { signal: new AbortController().signal, attempt: 1 });
}

/** A send that has to fail: what it rejects with. */
export function failing(
  sink: Sink,
  signal: AbortSignal = new AbortController().signal,
  batch: Batch = BATCH,
): Promise<unknown> {
  return sink.send(batch, { signal, attempt: 1 }).then(
    (receipt) => assert.unreachable(`settled: ${JSON.stringify(receipt)}`),
    (error: unknown) => error,
  );
}

export async function failureOf(sending: Promise<unknown>, failure: FailureKind): Promise<SinkError> {
  const error = await sending;
  if (!(error instanceof SinkError)) throw error;
  assert.is(error.failure, failure, error.message);
  return error;
}
