// What is on a log's subject: where it ends, and which lines of a batch it has. Read back from the stream, as JetStream
// knows ids only for the length of its duplicate window.

import type { SeqMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { SinkError } from '../../sink.js';
import type { Connection } from './connection.js';
import type { Line } from './line.js';
import { seqOf } from './line.js';

/** On a message that came behind a line of a higher seq: that seq. So the last message tells of all before it. */
export const HEAD_HEADER = 'Wal-Head';
const ID_HEADER = 'Nats-Msg-Id';
const FETCHED_AT_ONCE = 500;

/** Where a subject ends. */
export interface End {
  /** The stream's sequence of its last message; 0: it has none. */
  readonly last: number;
  /** The highest seq of the lines on it; 0: it has none. */
  readonly head: number;
}

/** Asks the stream, not what is remembered. */
export async function endOf({ manager }: Connection, stream: string, subject: string): Promise<End> {
  const message = await manager.streams.getMessage(stream, { last_by_subj: subject });
  return message ? { last: message.seq, head: headIn(message) } : { last: 0, head: 0 };
}

/** Which of some lines, all at or before the subject's head, are on it. */
export async function idsOn(
  connection: Connection,
  stream: string,
  subject: string,
  lines: readonly Line[],
  { last }: End,
): Promise<ReadonlySet<string>> {
  const asked = new Set(lines.map(({ id }) => id));
  const found = new Set<string>();
  const from = await firstWithHead(connection, stream, subject, lines[0]!.seq, last);
  const consumer = await connection.publisher.consumers.get(stream, {
    filter_subjects: subject,
    opt_start_seq: from,
    headers_only: true,
  });
  for (let at = 0; at < last;) {
    const before = at;
    const messages = await consumer.fetch({ max_messages: FETCHED_AT_ONCE, expires: 5_000 });
    for await (const message of messages) {
      const id = message.headers?.get(ID_HEADER) ?? '';
      if (asked.has(id)) found.add(id);
      at = message.seq;
      if (at >= last) break;
    }
    if (at === before) throw new SinkError('outage', `${stream} gave only a part of ${subject} back`);
  }
  return found;
}

/** The first message whose head is at least `seq`: heads never fall, so that it is found by halving. */
async function firstWithHead(
  { manager }: Connection,
  stream: string,
  subject: string,
  seq: number,
  last: number,
): Promise<number> {
  let low = 1;
  let high = last;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    // The server's since 2.9; the client's type knows it for direct reads only, which a stream need not allow.
    const query: SeqMsgRequest & { next_by_subj: string } = { seq: middle, next_by_subj: subject };
    const message = await manager.streams.getMessage(stream, query);
    if (!message || headIn(message) >= seq) high = middle;
    else low = message.seq + 1;
  }
  return low;
}

function headIn({ header, subject }: StoredMsg): number {
  const head = Number(header.get(HEAD_HEADER) || (seqOf(header.get(ID_HEADER)) ?? NaN));
  if (Number.isSafeInteger(head) && head >= 0) return head;
  // Going on would put lines behind something that nobody can tell the place of.
  throw new SinkError('misconfigured', `the subject ${subject} has a message that is none of a log's`);
}
