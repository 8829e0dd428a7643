// All that a page shows of a log at one moment, as the control socket answers it. Pure: from memory, and bounded.

import type { Log } from '../log/log.js';
import type { Gap } from '../records.js';
import type { BreakerState } from '../ship/breaker.js';
import type { WalStats } from '../stats.js';
import type { WalHealth } from './health.js';
import type { View } from './view.js';

/** What `GET /v1/look` answers. */
export interface WalLook {
  /** Epoch ms by the clock of the process that holds the log. */
  at: number;
  stats: WalStats;
  health: WalHealth;
  /** The budget. */
  maxBytes: number;
  quarantineBytes: number;
  cursors: CursorLook[];
  gaps: GapsLook[];
}

export interface CursorLook {
  kind: string;
  shipper: string;
  breaker: BreakerState;
  /** How long the oldest record that waits has waited, in ms; 0 where none waits, absent where that is not known yet. */
  oldestAgeMs?: number;
  /** Why the last try came to nothing; absent where it did not. */
  failing?: string;
}

export interface GapsLook {
  kind: string;
  /** How many notices the stream has. */
  count: number;
  /** The newest first, 100 at most. */
  newest: Gap[];
}

const GAPS_MAX = 100;

export function walLook(view: View, health: WalHealth, log: Pick<Log, 'streams'>): WalLook {
  const { now, stats, maxBytes, quarantineBytes } = view;
  return {
    at: now,
    stats,
    health,
    maxBytes,
    quarantineBytes,
    cursors: view.cursors.map(({ kind, shipper, breaker, oldestAgeMs, failing }) => ({
      kind,
      shipper,
      breaker,
      ...(oldestAgeMs !== undefined && { oldestAgeMs }),
      ...(failing && { failing: failing.message }),
    })),
    gaps: [...log.streams.values()].map(({ kind, notices }) => ({
      kind,
      count: notices.length,
      newest: notices
        .slice(-GAPS_MAX)
        .toReversed()
        .map(({ from, to, reason, at }) => ({ from, to, reason, at })),
    })),
  };
}
