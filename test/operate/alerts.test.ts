import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveAlerts } from '../../lib/alert-options.js';
import type { AlertName, AlertThresholds } from '../../lib/alert-options.js';
import type { WalEvent } from '../../lib/events.js';
import type { Alert } from '../../lib/operate/alerts.js';
import { measuresOf, nextAlerts } from '../../lib/operate/alerts.js';
import type { Track } from '../../lib/operate/track.js';
import { follow } from '../../lib/operate/track.js';
import type { View } from '../../lib/operate/view.js';
import type { ManualClock } from '../helpers/manual-clock.js';
import { TestSink, accepting } from '../helpers/sink.js';
import { until } from '../helpers/until.js';
import { auditRecord, withWal } from '../helpers/wal.js';
import type { CursorChanges } from './a-view.js';
import { aView, thresholds } from './a-view.js';

const it = suite('operate/alerts');

/** A log that is looked at again and again: what each look raises and clears, as `+name` and `-name`. */
class Watched {
  readonly messages: string[] = [];
  #track: Track;
  #raised: ReadonlyMap<string, Alert> = new Map();
  readonly #thresholds: AlertThresholds;

  constructor(limits: AlertThresholds = thresholds) {
    this.#thresholds = limits;
    this.#track = follow(undefined, aView(), limits.quietMs);
  }

  look(atMs: number, cursor: CursorChanges, view: Partial<Pick<View, 'reserveMissing'>> = {}): string[] {
    const seen = aView({ monotonic: atMs, now: atMs, ...view }, cursor);
    this.#track = follow(this.#track, seen, this.#thresholds.quietMs);
    const measures = measuresOf(seen, this.#track);
    const { raised, events } = nextAlerts(this.#raised, measures, this.#thresholds, seen.now);
    this.#raised = raised;
    this.messages.push(...events.map(({ message }) => message));
    return events.map(({ alert, state }) => (state === 'raised' ? '+' : '-') + alert);
  }
}

it('a level raises at its threshold and clears below four fifths of it, once each', () => {
  const watched = new Watched();
  const backlog = (backlogRecords: number, seq: number) => ({ stats: { backlogRecords, seq } });
  const looks = [99_999, 100_000, 150_000, 90_000, 100_000, 80_000, 79_999, 90_000, 100_000];
  const changes = looks.map((records, n) => watched.look(n * 1000, backlog(records, n)));
  const up = ['+backlogRecords'];
  assert.equal(changes, [[], up, [], [], [], [], ['-backlogRecords'], [], up]);
  assert.equal(watched.messages.slice(0, 2), [
    'audit/default: 100000 records wait to be delivered',
    'audit/default: over, after 5 seconds: backlogRecords',
  ]);
});

it('bytes and age likewise', () => {
  const watched = new Watched();
  assert.equal(watched.look(0, { stats: { backlogBytes: 500_000 } }), ['+backlogBytes']);
  assert.equal(watched.look(1, { oldestAgeMs: 900_000 }), ['+oldestAgeMs', '-backlogBytes']);
  assert.equal(watched.look(2, { oldestAgeMs: 720_000 }), []);
  // While it is being looked up, it is not known.
  assert.equal(watched.look(3, { oldestAgeMs: undefined }), ['-oldestAgeMs']);
});

it('no progress is an alert only where something waits, and any progress ends it', () => {
  const watched = new Watched();
  assert.equal(watched.look(600_000, { stats: { seq: 5 } }), []);
  const waiting = { stats: { seq: 5, backlogRecords: 1 } };
  assert.equal(watched.look(899_999, waiting), []);
  assert.equal(watched.look(900_000, waiting), ['+stalledMs']);
  assert.equal(watched.look(990_000, { stats: { seq: 6, backlogRecords: 500 } }), ['-stalledMs']);
});

it('a breaker that is probed now and then is open all the while', () => {
  const watched = new Watched();
  assert.equal(watched.look(0, { breaker: 'open' }), []);
  assert.equal(watched.look(30_000, { breaker: 'half-open' }), []);
  assert.equal(watched.look(60_000, { breaker: 'open' }), ['+breakerOpenMs']);
  assert.equal(watched.look(90_000, { breaker: 'half-open' }), []);
  assert.equal(watched.look(95_000, {}), ['-breakerOpenMs']);
});

it('records that go raise an alert, and ten quiet minutes clear it', () => {
  for (const [count, alert] of [
    ['dropped', 'droppedRecords'],
    ['lost', 'droppedRecords'],
    ['quarantined', 'quarantinedRecords'],
  ] as const) {
    const watched = new Watched();
    const look = (atMs: number, value: number) => watched.look(atMs, { stats: { [count]: value } });
    assert.equal(look(0, 3), [`+${alert}`]);
    assert.equal(look(500_000, 4), []);
    assert.equal(look(1_099_999, 4), []);
    assert.equal(look(1_100_000, 4), [`-${alert}`]);
    assert.equal(look(2_000_000, 4), []);
    assert.equal(look(2_000_001, 5), [`+${alert}`]);
  }
});

it('what went before the log was opened is no news', () => {
  const old = aView({}, { stats: { dropped: 100, quarantined: 100 } });
  const track = follow(follow(undefined, old, 1), old, 1);
  const { events } = nextAlerts(new Map(), measuresOf(old, track), thresholds, 0);
  assert.equal(events, []);
});

it('a reserve that is missing for a while concerns the log as a whole', () => {
  const watched = new Watched();
  assert.equal(watched.look(0, {}, { reserveMissing: true }), []);
  assert.equal(watched.look(60_000, {}, { reserveMissing: true }), ['+reserveMissingMs']);
  assert.equal(watched.messages, ['for 1 minute the disk has had no room for the reserve']);
  assert.equal(watched.look(65_000, {}), ['-reserveMissingMs']);
});

it('a threshold can be turned off, or all of them, and one that is no number is refused', () => {
  const off: Partial<Record<AlertName, false>> = { backlogRecords: false };
  const stats = { backlogRecords: 1_000_000, backlogBytes: 1_000_000 };
  assert.equal(new Watched(resolveAlerts(off, 1000)).look(0, { stats }), ['+backlogBytes']);
  assert.equal(new Watched(resolveAlerts(false, 1000)).look(0, { stats }), []);
  for (const [given, message] of [
    [{ backlogRecords: 0 }, 'expected alerts.backlogRecords to be an integer >= 1, got 0'],
    [{ quietMs: '10m' }, 'expected alerts.quietMs to be an integer >= 1, got "10m"'],
    [{ everyMs: 10 }, 'expected alerts.everyMs to be an integer from 100 to 3600000, got 10'],
    [{ backlog: 1 }, "alerts has no 'backlog'"],
    [true, 'expected alerts to be an object or false, got true'],
    [null, 'expected alerts to be an object or false, got null'],
  ] as const) {
    assert.throws(
      () => resolveAlerts(given as never, 1000),
      (error: Error) => error.message.includes(message),
      message,
    );
  }
});

/** Moves time on, a second at a time, until something holds. */
async function passUntil(clock: ManualClock, holds: () => boolean): Promise<void> {
  await until(() => {
    if (!holds()) clock.advance(1000);
    return holds();
  });
}

it('a running log tells when it begins to wait for long, and when that is over', async () => {
  await withWal({ alerts: { everyMs: 1000 } }, async (wal, { clock, events }) => {
    const told = () =>
      events.filter((event): event is WalEvent & { type: 'alert' } => event.type === 'alert');
    await wal.append('audit', auditRecord(1));
    await passUntil(clock, () => told().length === 1);
    const { message, value, ...alert } = told()[0]!;
    assert.match(message, /^audit\/default: records wait, and for \d+ minutes none was delivered$/);
    assert.ok(value >= 300_000);
    const where = { kind: 'audit', shipper: 'default' };
    assert.equal(alert, { type: 'alert', alert: 'stalledMs', state: 'raised', ...where, threshold: 300_000 });
    assert.is(wal.health().checks['audit/default:stalledMs']![0]!.output, message);
    await wal.ship('audit', new TestSink(accepting), { lingerMs: 0 }).idle();
    await passUntil(clock, () => told().length === 2);
    assert.is(told()[1]!.state, 'cleared');
    assert.is(wal.health().checks['audit/default:stalledMs'], undefined);
  });
});

it.run();
