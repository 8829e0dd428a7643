import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { WalHealth } from '../../lib/operate/health.js';
import { healthOf } from '../../lib/operate/health.js';
import { expose } from '../../lib/operate/exposition.js';
import { follow } from '../../lib/operate/track.js';
import type { View } from '../../lib/operate/view.js';
import type { FailureReason } from '../../lib/ship/meter.js';
import { SinkError } from '../../lib/ship/sink.js';
import { TestSink, accepting } from '../helpers/sink.js';
import { until } from '../helpers/until.js';
import type { AnyWal } from '../helpers/wal.js';
import { auditRecord, withWal } from '../helpers/wal.js';
import type { CursorChanges } from './a-view.js';
import { aView, thresholds } from './a-view.js';

const it = suite('operate/health');

/** What is said of a log that was last seen to move so long ago. */
function healthAfter(ms: number, view: Partial<View>, cursor: CursorChanges = {}): WalHealth {
  const track = follow(undefined, aView({}, cursor), thresholds.quietMs);
  return healthOf(aView({ ...view, monotonic: ms }, cursor), track, [], thresholds);
}

it('of a shipper: whether it gets on, and why not', () => {
  const waiting = { backlogRecords: 3, state: 'waiting', lastError: 'nobody there' } as const;
  const failing = (reason: FailureReason) => ({ reason, message: 'answered 401' });
  const cases: [cursor: CursorChanges, ms: number, status: string, output?: string][] = [
    [{}, 0, 'pass'],
    [{ stats: { state: 'none' } }, 1e9, 'pass'],
    [{ stats: { state: 'shipping', backlogRecords: 3 } }, 0, 'pass'],
    // It may say what it wants: nothing has arrived for five minutes.
    [
      { stats: { state: 'shipping', backlogRecords: 3 } },
      300_000,
      'fail',
      'for 5 minutes none was delivered',
    ],
    [
      { stats: { state: 'idle', backlogRecords: 1 } },
      300_000,
      'fail',
      'audit/default: 1 record waits, and for',
    ],
    [{ stats: { state: 'none', backlogRecords: 3 } }, 0, 'warn', 'no shipper runs'],
    [{ stats: waiting }, 0, 'warn', 'will be tried again: nobody there'],
    [{ stats: waiting }, 300_000, 'fail', 'none was delivered: nobody there'],
    // Between two tries it is shipping for a moment; that is no progress.
    [{ stats: { ...waiting, state: 'shipping' }, failing: failing('outage') }, 0, 'warn', 'answered 401'],
    [{ stats: { state: 'stopped', lastError: 'given up' } }, 0, 'fail', 'has stopped: given up'],
    [{ stats: waiting, failing: failing('refused') }, 0, 'warn', 'answered 401'],
    [
      { stats: waiting, failing: failing('unauthorized') },
      0,
      'fail',
      'until somebody puts it right: answered 401',
    ],
    [{ stats: waiting, failing: failing('misconfigured') }, 0, 'fail', 'answered 401'],
    [{ stats: waiting, failing: failing('unproven') }, 0, 'fail', 'answered 401'],
  ];
  for (const [cursor, ms, status, output] of cases) {
    const health = healthAfter(ms, {}, cursor);
    const [check] = health.checks['audit/default:delivery']!;
    assert.is(check!.status, status, JSON.stringify(cursor));
    assert.is(health.status, status);
    if (output === undefined) assert.not(check!.output);
    else assert.match(check!.output!, output);
  }
});

it('of the disk, of quarantine, and of a stream that is full', () => {
  const full = new WalError('WAL_FULL', 'the disk is full');
  const [stream] = aView().streams;
  const cases: [Partial<View>, string, string, string][] = [
    [{ reserveMissing: true }, 'disk:space', 'warn', 'the reserve is missing'],
    [{ refusal: full }, 'disk:space', 'fail', 'no record is taken: the disk is full'],
    [{ quarantineBytes: 100_001 }, 'quarantine:share', 'fail', '97.66 KB of 976.56 KB'],
    [{ streams: [{ ...stream!, refusal: full }] }, 'audit:append', 'fail', 'audit: no record is taken'],
  ];
  for (const [view, name, status, output] of cases) {
    const health = healthAfter(0, view);
    assert.is(health.status, status);
    assert.match(health.checks[name]![0]!.output!, output);
    assert.match(health.output!, output);
  }
  assert.is(healthAfter(0, { quarantineBytes: 100_000 }).status, 'pass');
});

it('an alert is a warning, with its reason', () => {
  const at = { alert: 'droppedRecords', kind: 'audit', shipper: 'default', since: 0 } as const;
  const alert = { ...at, value: 3, threshold: 1, message: 'records were given up' };
  const track = follow(undefined, aView(), 1);
  const health = healthOf(aView(), track, [alert], thresholds);
  assert.is(health.status, 'warn');
  assert.equal(health.checks['audit/default:droppedRecords'], [
    {
      status: 'warn',
      componentId: 'audit/default',
      componentType: 'component',
      observedValue: 3,
      observedUnit: 'records',
      time: new Date(aView().now).toISOString(),
      output: 'records were given up',
    },
  ]);
});

/** What the control socket answers. */
async function ask(wal: AnyWal, path: string): Promise<{ status: number; type: string; body: string }> {
  const asking = request({ socketPath: join(wal.dir, 'control.sock'), path, agent: false });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return {
    status: response.statusCode!,
    type: response.headers['content-type']!,
    body: await text(response),
  };
}

it('is answered on the control socket: 200 while it works, 503 once somebody must act', async () => {
  await withWal({}, async (wal) => {
    await wal.append('audit', auditRecord(1));
    const type = 'application/health+json';
    const unshipped = await ask(wal, '/v1/health');
    assert.equal([unshipped.status, unshipped.type], [200, type]);
    assert.is((JSON.parse(unshipped.body) as WalHealth).status, 'warn');
    const sink = new TestSink(() => {
      throw new SinkError('misconfigured', 'answered 404');
    });
    const shipper = wal.ship('audit', sink, { lingerMs: 0 });
    await until(() => wal.health().status === 'fail');
    const failing = await ask(wal, '/v1/health');
    assert.equal([failing.status, failing.type], [503, type]);
    const { output, serviceId } = JSON.parse(failing.body) as WalHealth;
    assert.is(output, 'audit/default: 1 record waits until somebody puts it right: answered 404');
    assert.is(serviceId, 'test/main');
    // The next shipper is not to blame for it.
    await shipper.stop();
    await wal.ship('audit', new TestSink(accepting), { lingerMs: 0 }).idle();
    const again = await ask(wal, '/v1/health');
    assert.equal([again.status, (JSON.parse(again.body) as WalHealth).status], [200, 'pass']);
  });
});

it('a stream that refuses records says so, and a log that is closed', async () => {
  const streams = { audit: { maxBytes: 65_536 } };
  await withWal({ streams }, async (wal) => {
    assert.is(wal.health().status, 'pass');
    const fill = () =>
      wal.append('audit', { ...auditRecord(1), resource: randomBytes(1000).toString('hex') });
    while (wal.health().checks['audit:append']![0]!.status === 'pass') await fill();
    assert.match(wal.health().output!, /^audit: no record is taken: .*streams\.audit\.maxBytes/);
    assert.is(wal.health().checks['log:append']![0]!.status, 'pass');
    const refused = wal
      .metrics()
      .wal_append_refused.samples.map(({ labels, value }) => [labels['kind'], value]);
    assert.equal(Object.fromEntries(refused), { log: 0, audit: 1 });
    await wal.close();
    assert.match(wal.health().output!, 'no record is taken: the log is closed');
  });
});

it('a reserve that is gone is seen at the next look', async () => {
  await withWal({ reserveBytes: 65_536 }, async (wal) => {
    const statusOf = async () => (JSON.parse((await ask(wal, '/v1/health')).body) as WalHealth).status;
    const reserve = join(wal.dir, 'reserve');
    // It is written after the log is open.
    while ((await statusOf()) !== 'pass');
    await rm(reserve);
    assert.is(await statusOf(), 'warn');
    assert.is(wal.health().output, 'the reserve is missing: the disk has no room for it');
    assert.is(wal.metrics().wal_reserve_missing.samples[0]!.value, 1);
  });
});

it('metrics are answered there as well', async () => {
  await withWal({}, async (wal) => {
    await wal.append('audit', auditRecord(1));
    const { status, type, body } = await ask(wal, '/v1/metrics');
    assert.equal([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8']);
    assert.is(body, expose(wal.metrics()));
  });
});

it.run();
