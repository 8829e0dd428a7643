// What a dump of a log holds: every stream up to where it stood when the dump began. Knows neither sockets nor terminals.

import { WalError } from '../errors.js';
import type { QuarantinedItem } from '../quarantine.js';
import type { ReadItem, ReadOptions } from '../reading.js';
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

/** What a dump reads from. */
export interface DumpSource {
  stats(): WalStats;
  read(kind: string, options: ReadOptions): AsyncGenerator<ReadItem<object>>;
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
  const range: ReadOptions = {
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    // Of notices, how many items hold so many is not known beforehand.
    ...(limit !== undefined && !gaps && { limit }),
  };
  const kinds = kind === undefined ? Object.keys(wal.stats().streams).toSorted() : [kind];
  const streams = kinds.map((name) => wal.read(name, range));
  return within(streams, limit, (item) => !gaps || 'gap' in item);
}

async function* within<Item>(
  streams: readonly AsyncGenerator<Item>[],
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
