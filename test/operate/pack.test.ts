// The rules and the dashboard that are shipped ask for nothing that is not exposed.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { valuesOf } from '../../lib/operate/exposition.js';
import type { MetricFamily } from '../../lib/operate/metrics.js';
import { METRICS, metricsOf } from '../../lib/operate/metrics.js';
import { withFolder } from '../helpers/folder.js';
import { skipIf } from '../helpers/skip.js';
import { withWal } from '../helpers/wal.js';
import { aView } from './a-view.js';
import { promtool, withoutPromtool } from './promtool.js';

const it = suite('operate/pack');
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const RULES = pathOf('../../lib/operate/pack/prometheus-alerts.yml');
const DASHBOARD = pathOf('../../lib/operate/pack/grafana-dashboard.json');

/** The labels of every series, by its name. */
function labelsBySeries(families: Iterable<[string, MetricFamily]>): Map<string, Set<string>> {
  const labels = new Map<string, Set<string>>();
  for (const [name, family] of families) {
    for (const value of valuesOf(name, family))
      labels.set(value.metricName, new Set(Object.keys(value.labels)));
  }
  return labels;
}

const alert = { alert: 'stalledMs', kind: 'audit', shipper: 'default', value: 1, threshold: 1 } as const;
const exposed = labelsBySeries(
  Object.entries(
    metricsOf(
      aView({ now: 2 }, { stats: { clockSkewMs: 1 }, cursor: { ...aView().cursors[0]!.cursor, seq: 1 } }),
      [{ ...alert, since: 0, message: '' }],
    ),
  ),
);

interface Asked {
  readonly expr: string;
  /** Labels that its result is shown with. */
  readonly shown: readonly string[];
}

/** What an expression asks for that is not there. */
function missing({ expr, shown }: Asked): string[] {
  const names = [...new Set(expr.match(/\bwal_\w+/g))];
  if (names.length === 0) return [`no metric in ${expr}`];
  const unknown = names.filter((name) => !exposed.has(name));
  const there = new Set(names.flatMap((name) => [...(exposed.get(name) ?? [])]));
  const matched = [...expr.matchAll(/(wal_\w+)\{([^}]*)\}/g)].flatMap(([, name, matchers]) =>
    [...matchers!.matchAll(/(\w+)\s*[=!]~?\s*"/g)]
      .filter(([, label]) => !exposed.get(name!)?.has(label!))
      .map(([, label]) => `${name}{${label}}`),
  );
  const grouped = [...expr.matchAll(/(?:by|ignoring|on|without)\s*\(([^)]*)\)/g)].flatMap(([, list]) =>
    list!.split(',').map((label) => label.trim()),
  );
  // An aggregation leaves those labels only that it names.
  const left = /\bby\s*\(/.test(expr) ? new Set(grouped) : there;
  return [
    ...unknown,
    ...matched,
    ...grouped.filter((label) => !there.has(label)),
    ...shown.filter((label) => !left.has(label)).map((label) => `${label}, shown of ${expr}`),
  ];
}

/** Every query of the dashboard, with the labels of its legend. */
function queriesOf(dashboard: Dashboard): Asked[] {
  return dashboard.panels.flatMap(({ targets }) =>
    targets.map(({ expr, legendFormat }) => ({
      expr,
      shown: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
    })),
  );
}

interface Dashboard {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
  templating: { list: { type: string; name: string; query: string | { query: string } }[] };
}

async function readDashboard(): Promise<Dashboard> {
  return JSON.parse(await readFile(DASHBOARD, 'utf8')) as Dashboard;
}

it('what a log exposes has the labels that are checked here', async () => {
  await withWal({}, async (wal) => {
    const real = labelsBySeries(Object.entries(wal.metrics()));
    assert.ok(real.size > 20);
    for (const [name, labels] of real) assert.equal([...labels], [...exposed.get(name)!], name);
    for (const [name, { type }] of METRICS) {
      assert.ok(exposed.has(type === 'histogram' ? `${name}_bucket` : name), name);
    }
  });
});

it('each rule asks for metrics and labels that are exposed', async () => {
  const rules = (await readFile(RULES, 'utf8')).split('- alert:').slice(1);
  assert.ok(rules.length >= 10);
  for (const rule of rules) {
    const [, expr] = /^\s*expr: (.+)$/m.exec(rule) ?? [];
    assert.ok(expr, rule);
    const shown = [...rule.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
    assert.equal(missing({ expr, shown }), [], rule);
    assert.match(rule, /severity: (page|ticket)/);
  }
});

it('each query of the dashboard asks for metrics and labels that are exposed', async () => {
  const dashboard = await readDashboard();
  const queries = queriesOf(dashboard);
  assert.ok(queries.length >= 20);
  for (const query of queries) assert.equal(missing(query), []);
  for (const { type, query } of dashboard.templating.list) {
    if (type !== 'query' || typeof query === 'string') continue;
    const [, series, label] = /^label_values\((\w+)(?:\{.*\})?, (\w+)\)$/.exec(query.query) ?? [];
    assert.ok(exposed.get(series!)?.has(label!), query.query);
  }
});

it('every metric is used, but those that ADR-0017 asks for and others tell better', async () => {
  const text = (await readFile(DASHBOARD, 'utf8')) + (await readFile(RULES, 'utf8'));
  const unseen = [...METRICS.keys()].filter((name) => !text.includes(name));
  assert.equal(unseen, ['wal_current_file', 'wal_current_offset', 'wal_cursor_offset']);
});

it('the legends of the dashboard say all that Grafana’s schema wants of one', async () => {
  const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8')) as {
    panels: { title: string; options: { legend?: object } }[];
  };
  for (const { title, options } of panels) {
    if (!options.legend) continue;
    const names = Object.keys(options.legend).toSorted();
    assert.equal(names, ['calcs', 'displayMode', 'placement', 'showLegend'], title);
  }
});

it('a query for what is not there is found', () => {
  assert.equal(missing({ expr: 'wal_backlog_record > 0', shown: [] }), ['wal_backlog_record']);
  assert.equal(missing({ expr: 'wal_disk_bytes{kind="log"}', shown: [] }), ['wal_disk_bytes{kind}']);
  assert.equal(missing({ expr: 'sum by (stream) (wal_stored_bytes)', shown: [] }), ['stream']);
  const bySeverity = { expr: 'sum by (service) (wal_stored_bytes)', shown: ['kind'] };
  assert.equal(missing(bySeverity).length, 1);
});

skipIf(it, withoutPromtool)('promtool takes the rules, and they fire for what they are about', () => {
  assert.is(promtool(['check', 'rules', RULES]), '');
  assert.is(promtool(['test', 'rules', pathOf('prometheus-alerts.test.yml')]), '');
});

skipIf(it, withoutPromtool)('promtool takes every query of the dashboard', async () => {
  const rules = queriesOf(await readDashboard()).map(({ expr }, n) => {
    const plain = expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*');
    return `      - { record: "query:${n}", expr: ${JSON.stringify(plain)} }\n`;
  });
  const text = `groups:\n  - name: dashboard\n    rules:\n${rules.join('')}`;
  await withFolder(async (dir) => {
    await writeFile(join(dir, 'queries.yml'), text);
    assert.is(promtool(['check', 'rules', join(dir, 'queries.yml')]), '');
  });
});

it.run();
