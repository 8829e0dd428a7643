// What stands at the end of a log's streams, and what comes after it. Knows neither sockets nor terminals.

import { checkInteger } from '../checks.js';
import type { ReadItem } from '../passage.js';
import type { ReadOptions } from '../reading.js';
import { Wake } from '../ship/wake.js';
import type { WalStats } from '../stats.js';

export interface TailOptions {
  /** Only this stream. @default all, those that come later included */
  kind?: string;
  /** How many seqs of each stream to begin with. Integer >= 0. @default 10 */
  lines?: number;
}

/** What a tail reads from, by items or by passages. */
export interface TailSource<Read extends Appended = ReadItem<object>> {
  stats(): WalStats;
  read(kind: string, options: ReadOptions): AsyncGenerator<Read>;
}

/** Epoch ms. */
interface Appended {
  readonly appendedAt: number;
}

/** The log below, which can be read until it is closed: of the last records, everybody wants to know. */
export interface FollowedLog<Read extends Appended = ReadItem<object>> extends Pick<
  TailSource<Read>,
  'read'
> {
  /** Calls back after each commit. Returns how to end that. */
  onCommit(listener: () => void): () => void;
}

/** What it takes to go on behind the end. */
export interface Following<Read extends Appended = ReadItem<object>> {
  readonly log: FollowedLog<Read>;
  /** Fires when nobody listens any more: ends at once. */
  readonly gone: AbortSignal;
  /** Fires when the log is about to close: what is durable then is still told. */
  readonly closing: AbortSignal;
}

/** `undefined` says that this is all for now. */
export type TailItem = ReadItem<object> | undefined;

/** A stream's seqs that are to be told next, both ends included. */
interface Stretch {
  readonly kind: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The newest records, and the notices among them, of all streams as one by when they were appended; with
 * `following`, also what comes, until one of its signals fires. What is delivered and deleted before its turn comes is not
 * told, as nothing tells of it: memory stays bounded, and no append waits, however slow the reader is.
 *
 * @throws {WalError} `WAL_UNKNOWN_KIND`, `WAL_CONFIG`; at the call.
 */
export function tailItems<Read extends Appended = ReadItem<object>>(
  wal: TailSource<Read>,
  options: TailOptions = {},
  following?: Following<Read>,
): AsyncGenerator<Read | undefined> {
  const { kind } = options;
  const lines = checkInteger('lines', options.lines ?? 10, 0);
  // Asked for its refusal of an unknown kind alone.
  if (kind !== undefined) wal.read(kind, { limit: 1 });
  const told = new Map<string, number>();
  for (const [name, lastSeq] of endsOf(wal, kind)) told.set(name, Math.max(0, lastSeq - lines));
  const beginning = untold(wal, kind, told);
  return following ? follow(wal, kind, told, beginning, following) : merge(wal, beginning);
}

async function* follow<Read extends Appended>(
  wal: Pick<TailSource, 'stats'>,
  kind: string | undefined,
  told: Map<string, number>,
  beginning: Stretch[],
  { log, gone, closing }: Following<Read>,
): AsyncGenerator<Read | undefined> {
  const end = AbortSignal.any([gone, closing]);
  const wake = new Wake();
  const unsubscribe = log.onCommit(() => wake.notify());
  try {
    let next = beginning;
    while (!gone.aborted) {
      yield* merge(log, next);
      // Handing that over may have taken long.
      next = untold(wal, kind, told);
      if (next.length > 0) continue;
      if (closing.aborted) return;
      yield undefined;
      next = untold(wal, kind, told);
      if (next.length > 0) continue;
      // Nothing happens between that look and this wait.
      await wake.wait(end);
      next = untold(wal, kind, told);
    }
  } finally {
    unsubscribe();
  }
}

/** What each stream has behind what was told of it; told it is from now on. */
function untold(
  wal: Pick<TailSource, 'stats'>,
  kind: string | undefined,
  told: Map<string, number>,
): Stretch[] {
  const stretches: Stretch[] = [];
  for (const [name, to] of endsOf(wal, kind)) {
    const from = (told.get(name) ?? 0) + 1;
    if (from > to) continue;
    stretches.push({ kind: name, from, to });
    told.set(name, to);
  }
  return stretches;
}

function endsOf(wal: Pick<TailSource, 'stats'>, kind: string | undefined): [kind: string, lastSeq: number][] {
  return Object.entries(wal.stats().streams)
    .filter(([name]) => kind === undefined || name === kind)
    .map(([name, { lastSeq }]) => [name, lastSeq]);
}

/** Stretches of several streams as one, by when their items were appended. Holds one item of each. */
async function* merge<Read extends Appended>(
  log: Pick<TailSource<Read>, 'read'>,
  stretches: readonly Stretch[],
): AsyncGenerator<Read> {
  const streams = stretches.map(({ kind, from, to }) => log.read(kind, { from, to }));
  const heads = new Map<(typeof streams)[number], Read>();
  const step = async (stream: (typeof streams)[number]) => {
    const next = await stream.next();
    if (next.done) heads.delete(stream);
    else heads.set(stream, next.value);
  };
  for (const stream of streams) await step(stream);
  for (;;) {
    let first: (typeof streams)[number] | undefined;
    for (const [stream, { appendedAt }] of heads) {
      if (first === undefined || appendedAt < heads.get(first)!.appendedAt) first = stream;
    }
    if (first === undefined) return;
    yield heads.get(first)!;
    await step(first);
  }
}
