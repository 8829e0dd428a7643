// What a dump of a log holds: every stream up to where it stood when the dump began; as items, or as passages for whoever
// takes those apart. Knows neither sockets nor terminals.

import { WalError } from '../errors.js';
import type { QuarantinedItem } from '../quarantine.js';
import type { Passage, ReadItem } from '../passage.js';
import { jsonLinesOf } from '../passage.js';
import type { ReadOptions } from '../reading.js';
import { itemsIn } from '../reading.js';
import type { WalStats } from '../stats.js';

export interface DumpOptions extends ReadOptions {
  /** Only this stream. @default all, one after the other */
  kind?: string;
  /** Only the notices. @default false */
  gaps?: boolean;
  /** Only what destinations refused. @default false */
  quarantine?: boolean;
}

export type DumpItem = ReadItem<object> | QuarantinedItem<object>;

/** What a dump reads from, by items or by passages. */
export interface DumpSource<Read = ReadItem<object>> {
  stats(): WalStats;
  read(kind: string, options: ReadOptions): AsyncGenerator<Read>;
  quarantined(kind?: string): AsyncGenerator<QuarantinedItem<object>>;
}

/**
 * The end of every stream is frozen by the call, not by the first step.
 *
 * @throws {WalError} `WAL_UNKNOWN_KIND`, `WAL_CONFIG` for a range that is none; at the call.
 */
export function dumpItems(wal: DumpSource, options: DumpOptions = {}): AsyncGenerator<DumpItem> {
  const { kind, from, to, limit, gaps = false, quarantine = false } = options;
  if (gaps && quarantine) throw new WalError('WAL_CONFIG', 'a dump has either gaps or quarantine');
  if (quarantine)
    return within([wal.quarantined(kind)], limit, ({ seq }) => seq >= (from ?? 1) && seq <= (to ?? seq));
  return within(streamsOf(wal, options), limit, (item) => !gaps || 'gap' in item);
}

/**
 * The same records and notices as they are stored: what `gaps`, and `limit` over all streams, leave out may be among
 * them. To be taken apart by `dumpOf`. Knows no quarantine.
 *
 * @throws As `dumpItems`.
 */
export function dumpPassages(log: DumpSource<Passage>, options: DumpOptions): AsyncGenerator<Passage> {
  return within(streamsOf(log, options), undefined, () => true);
}

/** The items of a dump's passages. */
export function dumpOf(
  passages: AsyncIterable<Passage>,
  { limit, gaps = false }: DumpOptions,
): AsyncGenerator<ReadItem<object>> {
  return within([itemsIn<object>(passages)], limit, (item) => !gaps || 'gap' in item);
}

/** The same as lines of NDJSON, one or several at a time. */
export async function* dumpLinesOf(
  passages: AsyncIterable<Passage>,
  { limit = Infinity, gaps = false }: DumpOptions,
): AsyncGenerator<string> {
  let left = limit;
  for await (const passage of passages) {
    const { lines, isGap } = await jsonLinesOf(passage);
    if (gaps && !isGap) continue;
    if (left > 0) yield lines.slice(0, left).join('\n');
    left -= lines.length;
    if (left <= 0) return;
  }
}

function streamsOf<Read>(
  log: DumpSource<Read>,
  { kind, from, to, limit, gaps = false }: DumpOptions,
): AsyncGenerator<Read>[] {
  const range: ReadOptions = {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    // Of notices, how many items hold so many is not known beforehand.
    ...(limit !== undefined && !gaps && { limit }),
  };
  const kinds = kind === undefined ? Object.keys(log.stats().streams).toSorted() : [kind];
  return kinds.map((name) => log.read(name, range));
}

async function* within<Item>(
  streams: readonly AsyncIterable<Item>[],
  limit = Infinity,
  isWanted: (item: Item) => boolean,
): AsyncGenerator<Item> {
  let left = limit;
  for (const items of streams) {
    for await (const item of items) {
      if (!isWanted(item)) continue;
      if (left-- <= 0) return;
      yield item;
    }
  }
}
