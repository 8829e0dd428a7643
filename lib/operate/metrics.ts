// What a log offers to be measured: names, types and meanings, as ADR-0017 and Prometheus have them, and the
// values of one look at it. Pure. Seconds and bytes throughout; every label's values are bounded by what is
// configured.

import type { HistogramSnapshot } from '../histogram.js';
import type { BreakerState } from '../ship/breaker.js';
import type { FailureReason } from '../ship/meter.js';
import type { Alert } from './alerts.js';
import type { CursorView, StreamView, View } from './view.js';

/** Type and meaning by name. Counts that the ledger keeps go on over restarts; the others begin at open. */
const VALUES = {
  wal_backlog_records: ['gauge', 'Records that wait to be delivered by a shipper.'],
  wal_backlog_bytes: ['gauge', 'Bytes that wait to be delivered by a shipper, as they are stored.'],
  wal_ship_errors_total: ['counter', 'Tries to deliver a batch that came to nothing, since open.'],
  wal_dropped_records_total: ['counter', 'Records that were given up before a shipper had delivered them.'],
  wal_last_ship_ts: [
    'gauge',
    'When a batch was last acknowledged, in seconds since 1970; absent before the first.',
  ],
  wal_current_file: ['gauge', 'The entry that was written last, by its key: the seq of its last record.'],
  wal_current_offset: [
    'gauge',
    'Where the next entry begins: bytes of entries that the stream was ever given.',
  ],
  wal_cursor_seq: ['gauge', 'The seq up to which everything is settled for a shipper.'],
  wal_cursor_offset: ['gauge', 'Bytes of entries that the stream was ever given up to the cursor.'],
  wal_oldest_unshipped_age_seconds: [
    'gauge',
    'How long the oldest record that waits for a shipper has waited.',
  ],
  wal_appended_records_total: ['counter', 'Records appended, ever.'],
  wal_shipped_records_total: ['counter', 'Records delivered by a shipper, ever; those of a replay again.'],
  wal_quarantined_records_total: ['counter', 'Records refused by the destination and put aside, ever.'],
  wal_lost_records_total: ['counter', 'Records lost to damage before a shipper had delivered them, ever.'],
  wal_append_errors_total: [
    'counter',
    'Records that could not be appended, by the code of the error, since open.',
  ],
  wal_failed_offers_total: ['counter', 'Records that offer() could not make durable, since open.'],
  wal_fields_dropped_total: [
    'counter',
    'Fields that a schema does not declare and that were dropped from records, since open.',
  ],
  wal_commit_errors_total: ['counter', 'Commits that the disk refused, since open.'],
  wal_breaker_state: ['gauge', 'The circuit breaker of the destination: 0 closed, 1 half open, 2 open.'],
  wal_shipper_running: ['gauge', 'Whether a shipper runs: 1 or 0.'],
  wal_clock_skew_seconds: [
    'gauge',
    'How far the clock of the destination is ahead; absent where it is not known.',
  ],
  wal_stored_bytes: ['gauge', 'Bytes of entries on disk.'],
  wal_disk_bytes: ['gauge', 'Bytes of all files of the log.'],
  wal_budget_bytes: ['gauge', 'Bytes that the log may hold.'],
  wal_pending_bytes: ['gauge', 'Bytes of records that wait for the disk.'],
  wal_quarantine_bytes: ['gauge', 'Bytes of records that were put aside.'],
  wal_reserve_missing: ['gauge', 'Whether the disk space held back for a full disk is missing: 1 or 0.'],
  wal_append_refused: ['gauge', 'Whether a stream refuses records now: 1 or 0.'],
  wal_alert_raised: ['gauge', 'Alerts of the log that are raised, as 1; absent where none is.'],
} as const satisfies Record<string, readonly ['gauge' | 'counter', string]>;

const HISTOGRAMS = {
  wal_commit_duration_seconds: 'How long the disk took for a commit, its fsync included.',
  wal_commit_records: 'Records of a commit that appends.',
  wal_commit_bytes: 'Bytes of entries of a commit that appends, as they are stored.',
  wal_batch_duration_seconds: 'How long the destination took for a batch that it settled.',
} as const satisfies Record<string, string>;

export type ValueName = keyof typeof VALUES;
export type HistogramName = keyof typeof HISTOGRAMS;
export type MetricName = ValueName | HistogramName;

export type MetricLabels = Readonly<Record<string, string>>;

export interface ValueFamily {
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly { readonly labels: MetricLabels; readonly value: number }[];
}

export interface HistogramFamily {
  readonly type: 'histogram';
  readonly help: string;
  readonly samples: readonly ({ readonly labels: MetricLabels } & HistogramSnapshot)[];
}

export type MetricFamily = ValueFamily | HistogramFamily;

/**
 * Every metric by its name, with a sample for each of its labels' values. All have the labels `service` and
 * `instance`; those of a stream `kind`, those of a cursor `shipper` besides.
 */
export type WalMetrics = { readonly [Name in ValueName]: ValueFamily } & {
  readonly [Name in HistogramName]: HistogramFamily;
};

/** All there are, in the order of their text. */
export const METRICS: ReadonlyMap<MetricName, Pick<MetricFamily, 'type' | 'help'>> = new Map<
  MetricName,
  Pick<MetricFamily, 'type' | 'help'>
>([
  ...Object.entries(VALUES).map(([name, [type, help]]) => [name as ValueName, { type, help }] as const),
  ...Object.entries(HISTOGRAMS).map(
    ([name, help]) => [name as HistogramName, { type: 'histogram', help }] as const,
  ),
]);

/** A sample; where the value is not known, there is none. */
type Row = readonly [name: ValueName, value: number | undefined, labels?: MetricLabels];
type HistogramRow = readonly [
  name: HistogramName,
  value: HistogramSnapshot | undefined,
  labels?: MetricLabels,
];

/** All of them are there from the start, as 0: only then an increase can be told from a beginning. */
const REASONS: readonly FailureReason[] = [
  'outage',
  'unauthorized',
  'too-large',
  'refused',
  'unproven',
  'misconfigured',
  'local',
];
const DROP_REASONS = ['size', 'age', 'disk-full'] as const;
const BREAKER_STATES: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 };

export function metricsOf(view: View, alerts: Iterable<Alert>): WalMetrics {
  const { service, instance } = view.stats;
  const { commits, cursors, streams } = view;
  const rows = [...logRows(view), ...streams.flatMap(streamRows), ...cursors.flatMap(cursorRows)];
  for (const { alert, kind, shipper } of alerts) {
    const where = kind === undefined || shipper === undefined ? {} : { kind, shipper };
    rows.push(['wal_alert_raised', 1, { ...where, alert }]);
  }
  const histograms: HistogramRow[] = [
    ['wal_commit_duration_seconds', commits.seconds],
    ['wal_commit_records', commits.records],
    ['wal_commit_bytes', commits.bytes],
    ...cursors.map((cursor) => ['wal_batch_duration_seconds', cursor.seconds, labelsOf(cursor)] as const),
  ];
  const families = new Map(
    [...METRICS].map(([name, family]) => [name, { ...family, samples: [] as object[] }]),
  );
  const own = { service, instance };
  for (const [name, value, labels] of rows) {
    if (value !== undefined) families.get(name)!.samples.push({ labels: { ...own, ...labels }, value });
  }
  for (const [name, value, labels] of histograms) {
    if (value) families.get(name)!.samples.push({ labels: { ...own, ...labels }, ...value });
  }
  return Object.fromEntries(families) as unknown as WalMetrics;
}

function logRows(view: View): Row[] {
  const { stats } = view;
  return [
    ...view.refusals.map(({ kind, code, records }): Row => [
      'wal_append_errors_total',
      records,
      { kind, code },
    ]),
    ['wal_failed_offers_total', view.offersFailed],
    ['wal_commit_errors_total', view.commits.failed],
    ['wal_disk_bytes', stats.diskBytes],
    ['wal_budget_bytes', view.maxBytes],
    ['wal_pending_bytes', stats.pendingBytes],
    ['wal_quarantine_bytes', view.quarantineBytes],
    ['wal_reserve_missing', Number(view.reserveMissing)],
    ...view.streams.map(({ kind, refusal }): Row => {
      return ['wal_append_refused', Number((refusal ?? view.refusal) !== undefined), { kind }];
    }),
  ];
}

function streamRows({ kind, stats, endOffset }: StreamView): Row[] {
  const labels = { kind };
  return [
    // What was committed together ends with the last seq there is.
    ['wal_current_file', stats.lastSeq, labels],
    ['wal_current_offset', endOffset, labels],
    ['wal_appended_records_total', stats.lastSeq, labels],
    ['wal_stored_bytes', stats.storedBytes, labels],
    ['wal_fields_dropped_total', stats.fieldsDropped?.total, labels],
  ];
}

function cursorRows(view: CursorView): Row[] {
  const { cursor, stats, breaker, errors, oldestAgeMs } = view;
  // A counter never goes back; the ledger does, where a cursor is moved back.
  const { replayed } = cursor;
  const labels = labelsOf(view);
  // A cursor is made at a moment, too; only one that has moved was ever acknowledged.
  const shippedAt = cursor.seq > cursor.startSeq ? cursor.at / 1000 : undefined;
  return [
    ['wal_backlog_records', stats.backlogRecords, labels],
    ['wal_backlog_bytes', stats.backlogBytes, labels],
    ['wal_last_ship_ts', shippedAt, labels],
    ['wal_cursor_seq', cursor.seq, labels],
    ['wal_cursor_offset', cursor.offset, labels],
    ['wal_oldest_unshipped_age_seconds', inSeconds(oldestAgeMs), labels],
    ['wal_shipped_records_total', stats.delivered + (replayed?.delivered ?? 0), labels],
    ['wal_quarantined_records_total', stats.quarantined + (replayed?.quarantined ?? 0), labels],
    ['wal_lost_records_total', stats.lost + (replayed?.lost ?? 0), labels],
    ['wal_breaker_state', BREAKER_STATES[breaker], labels],
    ['wal_shipper_running', Number(stats.state !== 'none' && stats.state !== 'stopped'), labels],
    ['wal_clock_skew_seconds', inSeconds(stats.clockSkewMs), labels],
    ...REASONS.map((reason): Row => [
      'wal_ship_errors_total',
      errors.get(reason) ?? 0,
      { ...labels, reason },
    ]),
    ...DROP_REASONS.map((reason): Row => [
      'wal_dropped_records_total',
      cursor.gone[reason] ?? 0,
      { ...labels, reason },
    ]),
  ];
}

function labelsOf({ kind, shipper }: CursorView): MetricLabels {
  return { kind, shipper };
}

function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
