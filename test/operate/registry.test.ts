// With the prom-client that services have.

import type { OpenMetricsContentType } from 'prom-client';
import { Counter, Registry } from 'prom-client';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { expose } from '../../lib/operate/exposition.js';
import { skipIf } from '../helpers/skip.js';
import { TestSink } from '../helpers/sink.js';
import { until } from '../helpers/until.js';
import { auditRecord, withWal } from '../helpers/wal.js';
import { promtool, withoutPromtool } from './promtool.js';

const it = suite('operate/registry');

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

it('a registry exposes what the log does, as it stands when it is asked', async () => {
  await withWal({}, async (wal) => {
    const registry = new Registry();
    wal.registerMetrics(registry);
    await wal.append('audit', auditRecord(1));
    await wal.ship('audit', new TestSink(), { lingerMs: 0 }).idle();
    const text = await registry.metrics();
    assert.match(
      text,
      'wal_shipped_records_total{service="test",instance="main",kind="audit",shipper="default"} 1',
    );
    assert.equal(linesOf(text).toSorted(), linesOf(expose(wal.metrics())).toSorted());
    // The values are the log's: a reset of the registry is not one of them.
    registry.resetMetrics();
    assert.is(await registry.metrics(), text);
  });
});

skipIf(it, withoutPromtool)('it does so beside the service’s own metrics', async () => {
  await withWal({}, async (wal) => {
    const registry = new Registry();
    new Counter({ name: 'requests_total', help: 'Requests.', registers: [registry] }).inc();
    wal.registerMetrics(registry);
    registry.setDefaultLabels({ region: 'north' });
    const text = await registry.metrics();
    assert.match(text, /^requests_total{region="north"} 1$/m);
    assert.match(text, /^wal_disk_bytes{service="test",instance="main",region="north"} /m);
    assert.is(promtool(['check', 'metrics'], text), '');
  });
});

it('several logs share a registry, and each leaves it when it is closed', async () => {
  await withWal({ instance: 'a' }, async (first) => {
    await withWal({ instance: 'b' }, async (second) => {
      const registry = new Registry();
      const instances = async () => {
        const found = (await registry.getSingleMetricAsString('wal_disk_bytes')).matchAll(/instance="(\w)"/g);
        return [...found].map(([, instance]) => instance);
      };
      first.registerMetrics(registry);
      second.registerMetrics(registry);
      second.registerMetrics(registry);
      assert.equal(await instances(), ['a', 'b']);
      await first.close();
      assert.equal(await instances(), ['b']);
      registry.clear();
      second.registerMetrics(registry);
      assert.equal(await instances(), ['b']);
    });
  });
});

it('a name that something else has is refused', async () => {
  await withWal({}, async (wal) => {
    const registry = new Registry();
    registry.registerMetric(new Counter({ name: 'wal_backlog_records', help: 'Another.', registers: [] }));
    try {
      wal.registerMetrics(registry);
      assert.unreachable();
    } catch (error) {
      assert.ok(error instanceof WalError && error.code === 'WAL_CONFIG');
      assert.match(error.message, 'wal_backlog_records');
    }
  });
});

it('a registry of OpenMetrics gets its names, too', async () => {
  await withWal({}, async (wal) => {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    wal.registerMetrics(registry);
    const text = await registry.metrics();
    assert.match(text, /^# TYPE wal_appended_records counter$/m);
    assert.match(text, /^wal_appended_records_total{service="test",instance="main",kind="audit"} 0$/m);
    assert.match(text, /^wal_commit_records_bucket{service="test",instance="main",le="\+Inf"} 0$/m);
  });
});

it('what only the disk knows is looked up for it', async () => {
  await withWal({}, async (wal, { clock }) => {
    const registry = new Registry();
    wal.registerMetrics(registry);
    await wal.append('audit', auditRecord(1));
    clock.advance(5000);
    const text = await registry.metrics();
    assert.match(text, /^wal_oldest_unshipped_age_seconds{.*kind="audit".*} 5$/m);
    await until(() => wal.metrics().wal_oldest_unshipped_age_seconds.samples.length === 2);
  });
});

it.run();
