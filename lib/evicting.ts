// Evicting because somebody asks for it, by bytes and by age, or saying what would go; and giving the space back. What
// may go is log/retention.ts's to say.

import type { StreamConfig } from './config.js';
import { checkInteger } from './checks.js';
import { WalError } from './errors.js';
import type { Eviction } from './log/evict.js';
import { evictOlder, evictToBounds } from './log/evict.js';
import type { Log } from './log/log.js';
import type { Evictable } from './log/rehearsal.js';
import { Rehearsal } from './log/rehearsal.js';
import type { CompactOptions, CompactReport, EvictOptions, EvictReport } from './reports.js';

type WhenFull = (kind: string) => StreamConfig['whenFull'];

/** See `Wal.evict`. */
export async function evictOnDemand(
  log: Log,
  streams: ReadonlyMap<string, Readonly<StreamConfig>>,
  options: EvictOptions,
  onEvicted: (eviction: Eviction) => void,
): Promise<EvictReport> {
  const { maxBytes, maxAgeMs, dryRun = false } = options;
  if (maxBytes === undefined && maxAgeMs === undefined) {
    throw new WalError('WAL_CONFIG', 'evict needs a bound: maxBytes or maxAgeMs');
  }
  if (maxBytes !== undefined) checkInteger('maxBytes', maxBytes, 0);
  if (maxAgeMs !== undefined) checkInteger('maxAgeMs', maxAgeMs, 0);
  const whenFull: WhenFull = (name) => streams.get(name)?.whenFull ?? 'reject';
  await log.flush();
  if (!dryRun) return await evict(log, whenFull, options, onEvicted);
  return await log.claims.inTurn(() => evict(new Rehearsal(log), whenFull, options, () => {}));
}

async function evict(
  log: Evictable,
  whenFull: WhenFull,
  { kind, maxBytes, maxAgeMs }: EvictOptions,
  onEvicted: (eviction: Eviction) => void,
): Promise<EvictReport> {
  const report: EvictReport = { evicted: 0, dropped: 0, freedBytes: 0, ranges: [] };
  const take = (eviction: Eviction, reason: 'size' | 'age') => {
    count(report, eviction, reason);
    onEvicted(eviction);
  };
  if (maxAgeMs !== undefined) {
    const before = log.clock.now() - maxAgeMs;
    for (const name of kind === undefined ? log.streams.keys() : [kind]) {
      const evictions = await evictOlder(log, name, before, whenFull(name) === 'drop-oldest');
      for (const eviction of evictions) take(eviction, 'age');
    }
  }
  if (maxBytes !== undefined) {
    const bounds = { kind, bytesMax: maxBytes };
    await evictToBounds(log, whenFull, bounds, 'size', (eviction) => take(eviction, 'size'));
  }
  return report;
}

function count(report: EvictReport, eviction: Eviction, reason: 'size' | 'age'): void {
  const { kind, from, to, records, dropped, bytes } = eviction;
  report.evicted += records;
  report.dropped += dropped;
  report.freedBytes += bytes;
  // A large one goes in steps.
  const last = report.ranges.findLast((range) => range.kind === kind);
  if (last?.reason !== reason || last.to + 1 !== from) {
    report.ranges.push({ kind, from, to, records, dropped, bytes, reason });
    return;
  }
  last.to = to;
  last.records += records;
  last.dropped += dropped;
  last.bytes += bytes;
}

/** See `Wal.compact`. */
export async function compactOnDemand(
  log: Log,
  { signal, onProgress }: CompactOptions,
): Promise<CompactReport> {
  await log.flush();
  const bytesBefore = await log.measure();
  await log.trimmer.compactAll((bytes, bytesTotal) => {
    signal?.throwIfAborted();
    onProgress?.({ bytes, bytesTotal });
  });
  return { bytesBefore, bytesAfter: await log.measure() };
}
