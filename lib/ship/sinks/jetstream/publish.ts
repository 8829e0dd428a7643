// One pipeline of chained publishes. The first names the sequence at which the subject ends; each other one the line
// before it, as the stream's last message, and the sequence that this one should have. So whatever comes behind a
// failure fails, too, and nothing lands out of order. The sequence alone would not do: where others publish into the
// stream, a line may be pushed to just the sequence that a later one names, which would then follow it.

import type { PubAck } from '@nats-io/jetstream';
import { SinkError } from '../../sink.js';
import type { Connection } from './connection.js';
import type { Line } from './line.js';
import type { End } from './subject.js';
import { HEAD_HEADER } from './subject.js';

export interface Pipeline {
  readonly connection: Connection;
  readonly stream: string;
  readonly subject: string;
  readonly timeoutMs: number;
  /** Publishes on their way at once. */
  readonly window: number;
  /** Nothing more is published once it fires; what is on its way is waited for. */
  readonly signal: AbortSignal;
}

/** What came of it, in the order of the lines. */
export interface Published {
  /** Lines from the first on that the stream has. */
  readonly done: number;
  /** How many of them it had already. */
  readonly duplicates: number;
  /** Where the subject ends now; `undefined` where only the stream knows. */
  readonly end: End | undefined;
  /** Why it ended before the last line; `undefined` too where predictions turned out wrong. */
  readonly error?: Error;
}

type Answer = { ack: PubAck } | { error: Error };

/** Publishes lines behind the end of a subject. Never rejects; resolves when nothing is on its way any more. */
export async function publish(lines: readonly Line[], end: End, how: Pipeline): Promise<Published> {
  const { stream, window, signal } = how;
  const answers: Promise<Answer>[] = [];
  let { last, head } = end;
  let done = 0;
  let duplicates = 0;
  /** The sequence that the next line gets, once the first has shown where the stream is. */
  let next = 0;
  while (done < lines.length) {
    // The first goes alone: on its answer the others' predictions are built.
    const bound = done === 0 ? 1 : Math.min(lines.length, done + window);
    while (answers.length < bound && !signal.aborted) {
      const line = lines[answers.length]!;
      const before = answers.length > 0 ? lines[answers.length - 1]!.id : undefined;
      answers.push(publishOne(line, { last: done === 0 ? last : next - 1, head }, before, how));
      head = Math.max(head, line.seq);
      next++;
    }
    const pending = answers[done];
    if (!pending) return { done, duplicates, end: undefined, error: signal.reason as Error };
    const answer = await pending;
    const failed = 'error' in answer ? answer : strangerIn(answer.ack, stream);
    if (failed) {
      await Promise.all(answers);
      return { done, duplicates, end: undefined, error: failed.error };
    }
    const { ack } = answer as { ack: PubAck };
    if (ack.duplicate) duplicates++;
    done++;
    if (done === 1) next = ack.seq + 1;
    const expected = done === 1 ? ack.seq : last + 1;
    if (ack.seq !== expected || (done === 1 && ack.duplicate)) {
      // Someone else published in between, or this was a line from further back: what is behind it is refused.
      await Promise.all(answers);
      return { done, duplicates, end: undefined };
    }
    last = ack.seq;
  }
  return { done, duplicates, end: { last, head } };
}

async function publishOne(
  line: Line,
  { last, head }: End,
  before: string | undefined,
  how: Pipeline,
): Promise<Answer> {
  const { connection, stream, subject, timeoutMs: timeout } = how;
  const headers = connection.headers();
  if (line.seq < head) headers.set(HEAD_HEADER, String(head));
  const expect = {
    streamName: stream,
    lastSubjectSequence: last,
    ...(before !== undefined && { lastMsgID: before }),
  };
  try {
    const options = { msgID: line.id, expect, headers, timeout };
    return { ack: await connection.publisher.publish(subject, line.bytes, options) };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** A receipt deletes: an acknowledgement of another stream proves nothing. */
function strangerIn(ack: PubAck, stream: string): { error: SinkError } | undefined {
  if (ack.stream === stream) return undefined;
  return { error: new SinkError('unproven', `stream ${ack.stream} acknowledged what was for ${stream}`) };
}
