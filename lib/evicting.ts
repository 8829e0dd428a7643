// Evicting because somebody asks for it, by bytes and by age. What may go is log/retention.ts's to say.

import type { StreamConfig } from './config.js';
import { checkInteger } from './checks.js';
import { WalError } from './errors.js';
import type { Eviction } from './log/evict.js';
import { evictOlder, evictToBounds } from './log/evict.js';
import type { Log } from './log/log.js';
import type { EvictOptions, EvictReport } from './reports.js';

/** See `Wal.evict`. */
export async function evictOnDemand(
  log: Log,
  streams: ReadonlyMap<string, Readonly<StreamConfig>>,
  { kind, maxBytes, maxAgeMs }: EvictOptions,
  onEvicted: (eviction: Eviction) => void,
): Promise<EvictReport> {
  if (maxBytes === undefined && maxAgeMs === undefined) {
    throw new WalError('WAL_CONFIG', 'evict needs a bound: maxBytes or maxAgeMs');
  }
  if (maxBytes !== undefined) checkInteger('maxBytes', maxBytes, 0);
  if (maxAgeMs !== undefined) checkInteger('maxAgeMs', maxAgeMs, 0);
  const report: EvictReport = { evicted: 0, dropped: 0, freedBytes: 0 };
  const whenFull = (name: string) => streams.get(name)?.whenFull ?? 'reject';
  const count = (eviction: Eviction) => {
    report.evicted += eviction.records;
    report.dropped += eviction.dropped;
    report.freedBytes += eviction.bytes;
    onEvicted(eviction);
  };
  await log.flush();
  if (maxAgeMs !== undefined) {
    const before = log.clock.now() - maxAgeMs;
    for (const name of kind === undefined ? log.streams.keys() : [kind]) {
      const evictions = await evictOlder(log, name, before, whenFull(name) === 'drop-oldest');
      for (const eviction of evictions) count(eviction);
    }
  }
  if (maxBytes !== undefined) await evictToBounds(log, whenFull, { kind, bytesMax: maxBytes }, 'size', count);
  return report;
}
