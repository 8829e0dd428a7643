// Moving a cursor back over what is still on disk, so that it is delivered again.
//
// The records in front of the old position are taken out of what they were counted as, and are backlog again. Holes
// among them stay what they are: nothing comes back, and the receiver is told of them once more.

import { WalError } from '../errors.js';
import { endBefore } from './evict.js';
import { keys, seqOfAside } from './keyspace.js';
import type { Cursor, Range } from './ledger.js';
import { timesReplayed } from './ledger.js';
import type { Log } from './log.js';
import { rowsOf } from './open.js';
import { countsAbove } from './recount.js';
import { entryAfter } from './seek.js';
import type { Draft, StreamState } from './state.js';
import { backlogBytes, noticedBytes } from './state.js';
import { DELETES_MAX } from './trim.js';

/** What is put aside may change while a replay is planned; so often it is planned again. */
const TRIES_MAX = 100;

export interface ReplayRange {
  readonly kind: string;
  readonly shipper: string;
  /** The first seq to deliver again. */
  readonly from: number;
}

/** A record put aside that is to be delivered in its turn again. */
interface Aside {
  readonly key: string;
  readonly bytes: number;
}

/** A replay that holds for as long as nothing more is put aside, or taken back, for its cursor. */
interface Plan {
  readonly kind: string;
  readonly shipper: string;
  readonly cursor: Cursor;
  readonly seq: number;
  readonly offset: number;
  readonly aside: readonly Aside[];
}

/**
 * Moves a cursor back in front of a seq, in one commit; returns how many records are delivered again. Where the seq
 * lies in a hole, the cursor goes in front of all of the hole. `checkRoom` throws where so many more bytes may not wait.
 *
 * @throws {WalError} `WAL_CONFIG`: no such cursor, or the seq is not on disk any more. `WAL_FULL`, `WAL_IO`.
 */
export async function replay(
  log: Log,
  range: ReplayRange,
  checkRoom: (bytes: number) => void,
): Promise<number> {
  // What is evicted as delivered meanwhile would be delivered no more.
  return await log.claims.inTurn(async () => {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const plan = await planReplay(log, range);
      if (!plan) return 0;
      checkRoom(moreUndelivered(log.stream(plan.kind), plan));
      const records = await log.change((draft) => moveBack(draft, plan), plan.aside.length + 1);
      if (records !== undefined) return records;
    }
    throw new WalError(
      'WAL_IO',
      `what ${range.shipper} of '${range.kind}' puts aside keeps changing; try again`,
    );
  });
}

/** `undefined` where the cursor does not stand behind the seq. */
async function planReplay(log: Log, { kind, shipper, from }: ReplayRange): Promise<Plan | undefined> {
  const stream = log.stream(kind);
  const cursor = stream.cursors.get(shipper);
  if (!cursor) throw new WalError('WAL_CONFIG', `'${kind}' has no cursor '${shipper}'`);
  if (from > cursor.seq) return undefined;
  const first = stream.head.seq + 1;
  if (from < first) {
    const kept = first > stream.lastSeq ? 'nothing of it is' : `the first seq on disk is ${first}`;
    throw new WalError('WAL_CONFIG', `'${kind}' ${from} is not on disk any more; ${kept}`);
  }
  const seq = holeAt(stream, from) ? holeAt(stream, from)!.from - 1 : from - 1;
  const offset = await offsetAt(log, stream, seq);
  const aside = await asideBetween(log, stream, shipper, { from: seq + 1, to: cursor.seq });
  return { kind, shipper, cursor, seq, offset, aside };
}

/** Bytes of entries, ever, in front of the first one that holds anything behind a seq. */
async function offsetAt(log: Log, stream: StreamState, seq: number): Promise<number> {
  const next = await entryAfter(log.store, stream.kind, seq);
  // Where a hole begins there, one that nobody knows of perhaps, what lies in front of it tells.
  return next && next.firstSeq <= seq + 1 ? next.offset : await endBefore(log, stream, seq + 1);
}

/** The notice that a seq stands under. */
function holeAt({ notices }: StreamState, seq: number): Range | undefined {
  return notices.find(({ from, to }) => from <= seq && to >= seq);
}

/** What is put aside of a range; all of it must be on disk in its place, too. */
async function asideBetween(log: Log, stream: StreamState, shipper: string, range: Range): Promise<Aside[]> {
  const { kind } = stream;
  const aside: Aside[] = [];
  const found = rowsOf(log.store, {
    gte: keys.quarantine(kind, shipper, range.from),
    lt: keys.quarantine(kind, shipper, range.to + 1),
  });
  for await (const [key, value] of found) {
    const seq = seqOfAside(key);
    if (holeAt(stream, seq)) {
      throw new WalError(
        'WAL_CONFIG',
        `'${kind}' ${seq} is in the quarantine of ${shipper} only: send that again first (replay --quarantine)`,
      );
    }
    aside.push({ key, bytes: key.length + value.length });
    if (aside.length <= DELETES_MAX) continue;
    throw new WalError(
      'WAL_CONFIG',
      `more than ${DELETES_MAX} records from '${kind}' ${range.from} on are in quarantine: send them again first (replay --quarantine), or begin later`,
    );
  }
  return aside;
}

/** How many bytes more some cursor has not passed. */
function moreUndelivered(stream: StreamState, { seq, offset }: Plan): number {
  const now = Math.max(0, ...[...stream.cursors.values()].map((cursor) => backlogBytes(stream, cursor)));
  return Math.max(0, stream.endOffset - offset - noticedBytes(stream, seq) - now);
}

/** Carries a plan out; `undefined` where it does not hold any more. */
function moveBack(
  draft: Draft,
  { kind, shipper, cursor: planned, seq, offset, aside }: Plan,
): number | undefined {
  const stream = draft.stream(kind);
  const cursor = stream.cursors.get(shipper);
  const holds =
    cursor?.seq !== undefined &&
    cursor.seq >= planned.seq &&
    timesReplayed(cursor) === timesReplayed(planned) &&
    cursor.quarantined === planned.quarantined &&
    cursor.resent === planned.resent &&
    stream.head.seq <= seq &&
    (holeAt(stream, seq + 1)?.from ?? seq + 1) === seq + 1 &&
    !aside.some(({ key }) => holeAt(stream, seqOfAside(key)));
  if (!holds) return undefined;
  const bytes = aside.reduce((sum, one) => sum + one.bytes, 0);
  const { moved, records } = countedOut(stream, cursor, { seq, offset }, { records: aside.length, bytes });
  draft.setCursor(stream, shipper, moved);
  for (const { key } of aside) draft.delete(key);
  return records;
}

/**
 * The cursor at a place in front of its own, and the records between the two that are on disk. Pure.
 *
 * Of those, the ones that are put aside are known by their keys. The others were delivered; some may have been put
 * aside and appended again since: they are counted out last, as nothing tells which they are. A hole in front of
 * the cursor was counted as gone if it was one by the time the cursor passed it; behind the cursor, it always is.
 */
export function countedOut(
  stream: StreamState,
  cursor: Cursor,
  place: { seq: number; offset: number },
  aside: { records: number; bytes: number },
): { moved: Cursor; records: number } {
  const at = { ...cursor, ...place };
  const before = countsAbove(stream.notices, cursor);
  const gone = { ...cursor.gone };
  let [holes, dropped, lost] = [0, 0, 0];
  for (const [reason, above] of countsAbove(stream.notices, at)) {
    const counted = before.get(reason) ?? 0;
    const passed = Math.max(0, (gone[reason] ?? 0) - counted);
    const went = Math.max(0, above - counted - passed);
    holes += above - counted;
    if (went > 0) gone[reason] = (gone[reason] ?? 0) + went;
    if (reason === 'corrupt') lost += went;
    else dropped += went;
  }
  const records = cursor.seq - place.seq - holes;
  const others = records - aside.records + dropped + lost;
  const delivered = Math.min(others, cursor.delivered);
  const resent = Math.min(others - delivered, cursor.resent ?? 0);
  // Put aside and not found there any more by a repair, which counted them as lost; in their place, they are there.
  const found = others - delivered - resent;
  if (found > 0) gone.corrupt = (gone.corrupt ?? 0) - found;
  const out = cursor.replayed ?? { times: 0, delivered: 0, quarantined: 0, lost: 0 };
  const moved: Cursor = {
    ...at,
    delivered: cursor.delivered - delivered,
    quarantined: cursor.quarantined - aside.records - resent,
    quarantineBytes: Math.max(0, cursor.quarantineBytes - aside.bytes),
    ...(cursor.resent !== undefined && { resent: cursor.resent - resent }),
    dropped: cursor.dropped + dropped,
    lost: cursor.lost + lost - found,
    gone,
    replayed: {
      times: out.times + 1,
      delivered: out.delivered + delivered,
      quarantined: out.quarantined + aside.records + resent,
      lost: out.lost + found,
    },
  };
  return { moved, records };
}
