// One look at a running log: all that metrics, health and alerts are made of, at one moment, from memory. Changes
// nothing and judges nothing.

import type { WalError } from '../errors.js';
import type { HistogramSnapshot } from '../histogram.js';
import type { Cursor } from '../log/ledger.js';
import type { Log } from '../log/log.js';
import type { Retainer } from '../log/retain.js';
import type { RefusalCount, Refusals } from '../refusals.js';
import type { BreakerState } from '../ship/breaker.js';
import type { FailureReason, Failing } from '../ship/meter.js';
import type { Shippers } from '../ship/shippers.js';
import type { ShipperStats, StreamStats, WalStats } from '../stats.js';
import type { Lookup } from './lookup.js';

export interface View {
  /** Epoch ms. */
  readonly now: number;
  /** Ms of the clock that never jumps: durations are counted by it. */
  readonly monotonic: number;
  readonly stats: WalStats;
  readonly maxBytes: number;
  readonly quarantineBytes: number;
  readonly offersFailed: number;
  /** Records that could not be appended. */
  readonly refusals: readonly RefusalCount[];
  readonly reserveMissing: boolean;
  readonly commits: {
    readonly failed: number;
    readonly seconds: HistogramSnapshot;
    readonly records: HistogramSnapshot;
    readonly bytes: HistogramSnapshot;
  };
  /** Why the log as a whole takes no record now. */
  readonly refusal: WalError | undefined;
  readonly streams: readonly StreamView[];
  readonly cursors: readonly CursorView[];
}

export interface StreamView {
  readonly kind: string;
  readonly stats: StreamStats;
  /** Bytes of entries ever. */
  readonly endOffset: number;
  /** Why this stream takes no record now, though others may. */
  readonly refusal: WalError | undefined;
}

export interface CursorView {
  /** `<kind>/<shipper>` */
  readonly name: string;
  readonly kind: string;
  readonly shipper: string;
  readonly stats: ShipperStats & { readonly clockSkewMs?: number };
  readonly cursor: Cursor;
  readonly breaker: BreakerState;
  readonly failing: Failing | undefined;
  readonly errors: ReadonlyMap<FailureReason, number>;
  /** Absent where nothing was ever shipped since open. */
  readonly seconds: HistogramSnapshot | undefined;
  /** How long the oldest record that waits has waited, in ms; 0 where none waits, absent where it was not looked up yet. */
  readonly oldestAgeMs: number | undefined;
}

/** How large a record must still be taken for a stream not to count as full. */
const RECORD_BYTES = 4096;

export interface ViewSources {
  readonly log: Log;
  readonly shippers: Shippers;
  readonly retainer: Pick<Retainer, 'checkRoom'>;
  readonly refusals: Refusals;
  readonly maxBytes: number;
  readonly wal: { stats(): WalStats; readonly offersFailed: number };
}

export function viewOf(sources: ViewSources, lookup: Lookup): View {
  const { wal, log, retainer, maxBytes } = sources;
  const { clock, meter } = log;
  const now = clock.now();
  const stats = wal.stats();
  const streams: StreamView[] = [];
  const cursors: CursorView[] = [];
  for (const [kind, streamStats] of Object.entries(stats.streams)) {
    const { endOffset } = log.stream(kind);
    const refusal = refusalOf(() => retainer.checkRoom(kind, RECORD_BYTES));
    streams.push({ kind, stats: streamStats, endOffset, refusal });
    for (const [shipper, shipperStats] of Object.entries(streamStats.shippers)) {
      cursors.push(cursorView(sources, lookup, { kind, shipper, stats: shipperStats, now }));
    }
  }
  return {
    now,
    monotonic: clock.monotonic(),
    stats,
    maxBytes,
    quarantineBytes: log.quarantineBytes,
    offersFailed: wal.offersFailed,
    refusals: sources.refusals.counts,
    reserveMissing: lookup.reserveMissing,
    commits: {
      failed: meter.failed,
      seconds: meter.seconds.snapshot(),
      records: meter.records.snapshot(),
      bytes: meter.bytes.snapshot(),
    },
    refusal: refusalOf(() => log.checkRoom(1, RECORD_BYTES)),
    streams,
    cursors,
  };
}

function cursorView(
  { log, shippers }: ViewSources,
  lookup: Lookup,
  { kind, shipper, stats, now }: Pick<CursorView, 'kind' | 'shipper' | 'stats'> & { now: number },
): CursorView {
  const stream = log.stream(kind);
  const meter = shippers.meter(kind, shipper);
  const running = shippers.get(kind, shipper);
  const oldestAt = lookup.oldestAt(stream, shipper);
  const age = oldestAt === undefined ? undefined : Math.max(0, now - oldestAt);
  return {
    name: `${kind}/${shipper}`,
    kind,
    shipper,
    stats,
    cursor: stream.cursors.get(shipper)!,
    breaker: running?.breaker ?? 'closed',
    failing: running && meter?.failing,
    errors: meter?.errors ?? new Map(),
    seconds: meter?.seconds.snapshot(),
    oldestAgeMs: stats.backlogRecords === 0 ? 0 : age,
  };
}

function refusalOf(check: () => void): WalError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return error as WalError;
  }
}
