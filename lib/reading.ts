// Reading a stream's records as the application sees them. A frozen upper end, chunk by chunk: no iterator
// is held while the caller thinks.

import { checkInteger } from './config.js';
import { WalError } from './errors.js';
import type { Log } from './log/log.js';
import type { Range } from './log/ledger.js';
import type { Step } from './log/read.js';
import { readAfter } from './log/read.js';
import type { StreamState } from './log/state.js';
import type { Passage, ReadItem } from './passage.js';
import { gapItem, itemsOf } from './passage.js';

export interface ReadOptions {
  /** The first seq. Integer >= 1. @default the oldest that is known */
  from?: number;
  /** The last seq. Integer >= `from`. @default the last that is durable when the read begins */
  to?: number;
  /** Records and notices at most. Integer >= 1. @default all */
  limit?: number;
}

const CHUNK_RECORDS_MAX = 1000;
const CHUNK_BYTES_MAX = 1_048_576;

/** @throws {WalError} `WAL_CONFIG` for a range that is none; at the call, not at the first step. */
export function readItems<Row>(log: Log, kind: string, options: ReadOptions): AsyncGenerator<ReadItem<Row>> {
  return itemsIn<Row>(readPassages(log, kind, options));
}

/** What passages hold, one by one. */
export async function* itemsIn<Row>(passages: AsyncIterable<Passage>): AsyncGenerator<ReadItem<Row>> {
  for await (const passage of passages) yield* await itemsOf<Row>(passage);
}

/** The same as it is stored, a passage an entry or notice. @throws As `readItems`. */
export function readPassages(log: Log, kind: string, options: ReadOptions): AsyncGenerator<Passage> {
  const from = checkInteger('from', options.from ?? 1, 1);
  const limit = checkInteger('limit', options.limit ?? Number.MAX_SAFE_INTEGER, 1);
  const { lastSeq, head } = log.stream(kind);
  const to = options.to === undefined ? lastSeq : checkInteger('to', options.to, 1);
  if (options.to !== undefined && options.to < from) {
    throw new WalError('WAL_CONFIG', `expected to (${options.to}) to be at or after from (${from})`);
  }
  const firstNotice = log.stream(kind).notices[0]?.from ?? Infinity;
  // What is deleted and under no notice was delivered: there is nothing to tell of it.
  const start = Math.max(from, Math.min(head.seq + 1, firstNotice));
  return passagesBetween(log, kind, start, Math.min(to, lastSeq), limit);
}

async function* passagesBetween(
  log: Log,
  kind: string,
  from: number,
  to: number,
  limit: number,
): AsyncGenerator<Passage> {
  let left = limit;
  let next = from;
  let rows = 8;
  while (next <= to && left > 0) {
    const stream = log.stream(kind);
    // Deleted since the last chunk: nothing is wrong with that.
    next = Math.max(next, Math.min(stream.head.seq + 1, stream.notices[0]?.from ?? Infinity));
    const bounds = { upTo: to, recordsMax: Math.min(CHUNK_RECORDS_MAX, left), lineBytesMax: CHUNK_BYTES_MAX };
    const chunk = await readAfter(log.store, stream, next - 1, { ...bounds, rows });
    rows = Math.max(1, chunk.rows);
    if (chunk.steps.length === 0) return;
    for (const step of chunk.steps) {
      const again = step.is === 'damage' ? readAgainFrom(log.stream(kind), step) : undefined;
      next = again ?? step.to + 1;
      if (again !== undefined) break;
      if (left <= 0) return;
      // No more records than are left to be read are in it: those were the bounds.
      left -= step.is === 'records' ? step.to - step.from + 1 : 1;
      yield passageOf(log, kind, step);
    }
  }
}

/** What was deleted while it was read looks like damage; the head and the notices of now tell them apart. */
function readAgainFrom({ head, notices }: StreamState, damage: Range): number | undefined {
  if (notices.some(({ from, to }) => from <= damage.to && damage.from <= to)) return damage.from;
  return head.seq >= damage.from ? head.seq + 1 : undefined;
}

function passageOf(log: Log, kind: string, step: Step): Passage {
  const { logId } = log.identity;
  const { from, to } = step;
  const at = log.clock.now();
  if (step.is === 'notice') return gapItem(logId, kind, step.gap);
  if (step.is === 'damage') return gapItem(logId, kind, { from, to, reason: 'corrupt', at });
  const { entry } = step;
  return { from, to, appendedAt: entry.appendedAt, entry, logId, readAt: at };
}
