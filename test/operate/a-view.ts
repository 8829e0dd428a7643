// A look at a log that was never there: one stream, one shipper, nothing wrong. Tests say what is different.

import { resolveAlerts } from '../../lib/alert-options.js';
import type { AlertThresholds } from '../../lib/alert-options.js';
import { Histogram } from '../../lib/histogram.js';
import { newCursor } from '../../lib/log/ledger.js';
import type { CursorView, View } from '../../lib/operate/view.js';

const MAX_BYTES = 1_000_000;

export const thresholds: AlertThresholds = resolveAlerts({}, MAX_BYTES);

export type CursorChanges = Partial<Omit<CursorView, 'stats'>> & { stats?: Partial<CursorView['stats']> };

export function aView(
  changes: Partial<Omit<View, 'cursors' | 'streams'>> = {},
  cursorChanges: CursorChanges = {},
): View {
  const empty = new Histogram([1]).snapshot();
  const cursor: CursorView = {
    name: 'audit/default',
    kind: 'audit',
    shipper: 'default',
    cursor: newCursor(0, 0, 0),
    breaker: 'closed',
    failing: undefined,
    errors: new Map(),
    seconds: empty,
    oldestAgeMs: 0,
    ...cursorChanges,
    stats: {
      seq: 0,
      startSeq: 0,
      backlogRecords: 0,
      backlogBytes: 0,
      delivered: 0,
      dropped: 0,
      quarantined: 0,
      lost: 0,
      state: 'idle',
      ...cursorChanges.stats,
    },
  };
  const fieldsDropped = { total: 0, names: {} };
  const shippers = { default: cursor.stats };
  const stream = { firstSeq: 1, lastSeq: 0, storedBytes: 0, fieldsDropped, shippers };
  return {
    now: 1_767_225_600_000,
    monotonic: 0,
    stats: {
      service: 'test',
      instance: 'main',
      dir: '/log',
      logId: 'L',
      writerId: 'W',
      diskBytes: 0,
      pendingBytes: 0,
      streams: { audit: stream },
    },
    maxBytes: MAX_BYTES,
    quarantineBytes: 0,
    offersFailed: 0,
    refusals: [{ kind: 'audit', code: 'WAL_FULL', records: 0 }],
    reserveMissing: false,
    commits: { failed: 0, seconds: empty, records: empty, bytes: empty },
    refusal: undefined,
    streams: [{ kind: 'audit', stats: stream, endOffset: 0, refusal: undefined }],
    cursors: [cursor],
    ...changes,
  };
}
