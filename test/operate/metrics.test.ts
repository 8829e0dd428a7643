import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalError } from '../../lib/errors.js';
import { Histogram } from '../../lib/histogram.js';
import { expose } from '../../lib/operate/exposition.js';
import type { MetricFamily, ValueName, WalMetrics } from '../../lib/operate/metrics.js';
import { METRICS, metricsOf } from '../../lib/operate/metrics.js';
import { metricsLine, printMetrics } from '../../lib/operate/metrics-line.js';
import { SinkError } from '../../lib/ship/sink.js';
import { rejection } from '../helpers/rejection.js';
import { skipIf } from '../helpers/skip.js';
import { TestSink, accepting } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal, OpenWal } from '../helpers/wal.js';
import { auditRecord, withWal } from '../helpers/wal.js';
import { aView } from './a-view.js';
import { promtool, withoutPromtool } from './promtool.js';

const it = suite('operate/metrics');

/** The value with these labels, besides the log's own. */
function valueOf(
  metrics: WalMetrics,
  name: ValueName,
  labels: Record<string, string> = {},
): number | undefined {
  const wanted = JSON.stringify({ service: 'test', instance: 'main', ...labels });
  return metrics[name].samples.find((sample) => JSON.stringify(sample.labels) === wanted)?.value;
}

const audit = { kind: 'audit', shipper: 'default' };

/** Moves time on to each next try until something holds. */
async function passWaits({ wal, clock }: OpenWal, holds: () => boolean): Promise<void> {
  while (!holds()) {
    const next = () => wal.stats().streams['audit']!.shippers['default']!.nextAttemptAt;
    await until(() => holds() || next() !== undefined);
    if (!holds()) clock.advance(next()! - clock.now());
    await turns(1);
  }
}

async function appendThree(wal: AnyWal): Promise<void> {
  for (const n of [1, 2, 3]) await wal.append('audit', auditRecord(n));
}

it('the ledger, the place of the cursor and the end of the stream are metrics', async () => {
  await withWal({}, async (wal, { clock }) => {
    await appendThree(wal);
    const { storedBytes } = wal.stats().streams['audit']!;
    const before = wal.metrics();
    assert.is(valueOf(before, 'wal_backlog_records', audit), 3);
    assert.is(valueOf(before, 'wal_backlog_bytes', audit), storedBytes);
    assert.is(valueOf(before, 'wal_current_file', { kind: 'audit' }), 3);
    assert.is(valueOf(before, 'wal_current_offset', { kind: 'audit' }), storedBytes);
    assert.is(valueOf(before, 'wal_cursor_seq', audit), 0);
    assert.is(valueOf(before, 'wal_last_ship_ts', audit), undefined);
    assert.is(valueOf(before, 'wal_shipper_running', audit), 0);
    clock.advance(1000);
    await wal.ship('audit', new TestSink(), { lingerMs: 0 }).idle();
    const after = wal.metrics();
    assert.is(valueOf(after, 'wal_backlog_records', audit), 0);
    assert.is(valueOf(after, 'wal_appended_records_total', { kind: 'audit' }), 3);
    assert.is(valueOf(after, 'wal_shipped_records_total', audit), 3);
    assert.is(valueOf(after, 'wal_cursor_seq', audit), 3);
    assert.is(valueOf(after, 'wal_cursor_offset', audit), storedBytes);
    assert.is(valueOf(after, 'wal_last_ship_ts', audit), clock.now() / 1000);
    assert.is(valueOf(after, 'wal_oldest_unshipped_age_seconds', audit), 0);
    assert.is(valueOf(after, 'wal_shipper_running', audit), 1);
  });
});

it('counts of the ledger go on after a restart, and so does the moment of the last delivery', async () => {
  await withWal({}, async (wal, opened) => {
    await appendThree(wal);
    await wal.ship('audit', new TestSink(), { lingerMs: 0 }).idle();
    const shippedAt = opened.clock.now() / 1000;
    opened.clock.advance(60_000);
    const metrics = (await opened.reopen()).metrics();
    assert.is(valueOf(metrics, 'wal_shipped_records_total', audit), 3);
    assert.is(valueOf(metrics, 'wal_last_ship_ts', audit), shippedAt);
  });
});

it('failed tries are counted by reason, and what the breaker holds back is no try', async () => {
  await withWal({}, async (wal, opened) => {
    await appendThree(wal);
    const sink = new TestSink(() => {
      throw new SinkError('outage', 'nobody there');
    });
    wal.ship('audit', sink, { lingerMs: 0 });
    await passWaits(opened, () => sink.sent.length >= 8);
    await until(() => valueOf(wal.metrics(), 'wal_ship_errors_total', { ...audit, reason: 'outage' })! >= 8);
    const tries = sink.sent.length;
    assert.is(valueOf(wal.metrics(), 'wal_ship_errors_total', { ...audit, reason: 'outage' }), tries);
    assert.is(valueOf(wal.metrics(), 'wal_breaker_state', audit), 2);
    assert.is(wal.metrics().wal_batch_duration_seconds.samples[0]!.count, 0);
    sink.reply = () => ({ accepted: 1 });
    await passWaits(opened, () => sink.sent.length > tries);
    await until(
      () => valueOf(wal.metrics(), 'wal_ship_errors_total', { ...audit, reason: 'unproven' }) === 1,
    );
    sink.reply = accepting;
    await passWaits(opened, () => valueOf(wal.metrics(), 'wal_backlog_records', audit) === 0);
    assert.is(valueOf(wal.metrics(), 'wal_breaker_state', audit), 0);
    assert.is(wal.metrics().wal_batch_duration_seconds.samples[0]!.count, 1);
  });
});

it('what was dropped is counted by reason', async () => {
  await withWal({}, async (wal) => {
    await wal.append('log', { n: 1 });
    await wal.append('log', { n: 2 });
    await wal.evict({ kind: 'log', maxBytes: 0 });
    const log = { kind: 'log', shipper: 'default' };
    assert.is(valueOf(wal.metrics(), 'wal_dropped_records_total', { ...log, reason: 'size' }), 2);
    assert.is(valueOf(wal.metrics(), 'wal_dropped_records_total', { ...log, reason: 'age' }), 0);
    assert.is(valueOf(wal.metrics(), 'wal_lost_records_total', log), 0);
  });
});

it('the age is of the oldest record that a shipper has not passed, also where older ones are kept', async () => {
  const streams = { audit: { keepDeliveredBytes: 1_000_000, shippers: ['default', 'slow'] } };
  await withWal({ streams, alerts: { everyMs: 1000 } }, async (wal, { clock }) => {
    const age = (shipper: string) =>
      valueOf(wal.metrics(), 'wal_oldest_unshipped_age_seconds', { kind: 'audit', shipper });
    await wal.append('audit', auditRecord(1));
    await wal.ship('audit', new TestSink(), { lingerMs: 0 }).idle();
    await wal.ship('audit', new TestSink(), { lingerMs: 0, name: 'slow' }).stop();
    clock.advance(100_000);
    // That of the record that only one has passed is looked up at the next look.
    await until(() => age('slow') === 100);
    assert.is(age('default'), 0);
    await wal.append('audit', auditRecord(2));
    clock.advance(10_000);
    await until(() => age('slow') === 110);
    await wal.ship('audit', new TestSink(), { lingerMs: 0, name: 'slow' }).idle();
    assert.is(age('slow'), 0);
  });
});

it('commits are measured once each, whatever they hold', async () => {
  await withWal({}, async (wal) => {
    const commits = () => wal.metrics().wal_commit_duration_seconds.samples[0]!.count;
    const before = commits();
    const records = Array.from({ length: 500 }, (_, n) => auditRecord(n));
    await wal.appendMany('audit', records);
    assert.is(commits(), before + 1);
    const { wal_commit_records: counts, wal_commit_bytes: bytes } = wal.metrics();
    assert.is(counts.samples[0]!.count, 1);
    assert.is(counts.samples[0]!.sum, 500);
    assert.is(bytes.samples[0]!.sum, wal.stats().streams['audit']!.storedBytes);
  });
});

it('a histogram counts a value in each bucket that it fits into', () => {
  const histogram = new Histogram([1, 10]);
  for (const value of [0.5, 1, 5, 100]) histogram.observe(value);
  const buckets = [
    { le: 1, count: 2 },
    { le: 10, count: 3 },
  ];
  assert.equal(histogram.snapshot(), { buckets, count: 4, sum: 106.5 });
});

it('label values are escaped, and numbers are written as Prometheus reads them', () => {
  const samples = [{ labels: { a: 'x"y\\z\n' }, value: Infinity }];
  const odd = { name: { type: 'gauge', help: 'Odd.', samples } } as unknown as WalMetrics;
  assert.is(expose(odd), '# HELP name Odd.\n# TYPE name gauge\nname{a="x\\"y\\\\z\\n"} +Inf\n');
});

it('a metric has the same labels in all of its samples, and those of its stream and shipper', () => {
  const view = aView({}, { stats: { clockSkewMs: 1500 } });
  const alert = { alert: 'stalledMs', kind: 'audit', shipper: 'default', value: 1, threshold: 1 } as const;
  const metrics = metricsOf(view, [{ ...alert, since: 0, message: '' }]);
  assert.equal(Object.keys(metrics), [...METRICS.keys()]);
  for (const [name, { samples }] of Object.entries(metrics) as [string, MetricFamily][]) {
    const names = new Set(samples.map(({ labels }) => Object.keys(labels).join()));
    assert.ok(names.size <= 1, name);
    assert.ok(
      [...names].every((labels) => labels.startsWith('service,instance')),
      name,
    );
  }
  assert.is(valueOf(metrics, 'wal_clock_skew_seconds', audit), 1.5);
  assert.is(valueOf(metricsOf(aView(), []), 'wal_clock_skew_seconds', audit), undefined);
  assert.is(valueOf(metrics, 'wal_alert_raised', { ...audit, alert: 'stalledMs' }), 1);
});

skipIf(it, withoutPromtool)('promtool has no objection to what is exposed', async () => {
  await withWal({ service: 'odd-name.1' }, async (wal) => {
    await appendThree(wal);
    await wal.ship('audit', new TestSink(), { lingerMs: 0 }).idle();
    assert.is(promtool(['check', 'metrics'], expose(wal.metrics())), '');
  });
});

it('as a line: one JSON object with ADR-0017’s names, as often as was asked for', async () => {
  await withWal({}, async (wal, { clock }) => {
    await appendThree(wal);
    const lines: string[] = [];
    const stop = printMetrics(wal, { everyMs: 60_000, clock, write: (line) => void lines.push(line) });
    clock.advance(59_999);
    await turns();
    assert.is(lines.length, 0);
    clock.advance(1);
    await until(() => lines.length === 1);
    assert.match(lines[0]!, /^[^\n]+\n$/);
    const line = JSON.parse(lines[0]!) as Record<string, unknown>;
    assert.is(line['ts'], clock.now());
    assert.is(line['service'], 'test');
    assert.equal(line['wal_backlog_records'], { 'log/default': 0, 'audit/default': 3 });
    assert.equal(line['wal_current_file'], { log: 0, audit: 3 });
    assert.is(line['wal_pending_bytes'], 0);
    for (const name of ['wal_backlog_bytes', 'wal_current_offset']) assert.ok(line[name], name);
    stop();
    clock.advance(60_000);
    await turns();
    assert.is(lines.length, 1);
  });
});

it('a line names what failed by its reason, and no reason for which nothing did', () => {
  const errors = new Map([['outage', 2]] as const);
  const line = JSON.parse(metricsLine(metricsOf(aView({}, { errors }), []), 1)) as Record<string, unknown>;
  assert.equal(line['wal_ship_errors_total'], { 'audit/default/outage': 2 });
  assert.is(line['wal_dropped_records_total'], undefined);
});

it('what could not be appended is counted by kind and code, whoever wanted to append it', async () => {
  await withWal({ streams: { audit: { maxBytes: 65_536 } } }, async (wal) => {
    const codeOf = async (call: Promise<unknown>) => ((await rejection(call)) as WalError).code;
    assert.is(await codeOf(wal.append('audit', { n: 1n })), 'WAL_RECORD_INVALID');
    assert.is(await codeOf(wal.appendMany('log', [{ n: 1 }, { n: 2n }])), 'WAL_RECORD_INVALID');
    assert.is(await codeOf(wal.append('billing', {})), 'WAL_UNKNOWN_KIND');
    assert.is(await codeOf(wal.append('log', { text: 'x'.repeat(2_000_000) })), 'WAL_RECORD_TOO_LARGE');
    assert.is(await codeOf(wal.append('audit', { text: 'x'.repeat(90_000) })), 'WAL_FULL');
    assert.not(wal.offer('audit', { text: 'x'.repeat(90_000) }));
    const counted = wal
      .metrics()
      .wal_append_errors_total.samples.filter(({ value }) => value > 0)
      .map(({ labels, value }) => `${labels['kind']} ${labels['code']} ${value}`);
    assert.equal(counted.toSorted(), [
      ' WAL_UNKNOWN_KIND 1',
      'audit WAL_FULL 2',
      'audit WAL_RECORD_INVALID 1',
      'log WAL_RECORD_INVALID 2',
      'log WAL_RECORD_TOO_LARGE 1',
    ]);
  });
});

it.run();
