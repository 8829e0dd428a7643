// A destination that is down for an hour: what that costs, and how shippers come back. On a clock that the test moves.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SinkError } from '../../lib/ship/sink.js';
import { Archive, TestSink, archiving } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { OpenWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/outage');

const HOUR_MS = 3_600_000;
/** The longest that the breaker lets nothing through. */
const HALF_OPEN_MS_MAX = 60_000;
const KINDS = ['audit', 'log'] as const;

const records = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));

/** Lets the next announced wait pass, of whichever stream. */
async function passWait({ wal, clock }: OpenWal, isOver: () => boolean): Promise<void> {
  const next = () =>
    Math.min(
      ...KINDS.map((kind) => wal.stats().streams[kind]!.shippers['default']!.nextAttemptAt ?? Infinity),
    );
  await until(() => isOver() || (next() > clock.now() && next() < Infinity));
  if (!isOver()) clock.advance(next() - clock.now());
  await turns(2);
}

it('an hour of it costs bounded attempts, and all is well within one half-open interval', async () => {
  await withWal({}, async (wal, opened) => {
    const { clock } = opened;
    for (const kind of KINDS) await wal.appendMany(kind, records(5000));
    const archives = { audit: new Archive(), log: new Archive() };
    let isDown = true;
    let attempts = 0;
    const sinks = KINDS.map(
      (kind) =>
        new TestSink((sent, number) => {
          attempts++;
          if (isDown) throw new SinkError('outage', 'nobody there');
          return archiving(archives[kind])(sent, number);
        }),
    );
    const shippers = KINDS.map((kind, n) => wal.ship(kind, sinks[n]!, { lingerMs: 0 }));
    const end = clock.now() + HOUR_MS;
    while (clock.now() < end) await passWait(opened, () => clock.now() >= end);
    // Five until the breaker opens, one each at 5, 10, 20 and 40 seconds, then one a minute.
    assert.ok(attempts >= 60 && attempts <= 72, `${attempts} attempts in an hour`);
    const { state, nextAttemptAt, lastError } = wal.stats().streams['audit']!.shippers['default']!;
    assert.is(state, 'open');
    assert.ok(nextAttemptAt! > clock.now() && nextAttemptAt! <= clock.now() + HALF_OPEN_MS_MAX);
    assert.match(lastError!, /nobody there|failed too often/);

    isDown = false;
    const back = sinks.map(({ sent }) => sent.length);
    const since = clock.now();
    const isBack = () => KINDS.every((kind) => archives[kind].records > 0);
    while (!isBack()) await passWait(opened, isBack);
    // A second more for the stream that was held back by the other's probe.
    assert.ok(clock.now() - since <= HALF_OPEN_MS_MAX + 1_000, `${clock.now() - since} ms`);
    await Promise.all(shippers.map((shipper) => shipper.idle()));
    for (const [n, { sent }] of sinks.entries()) {
      const sizes = sent.slice(back[n]).map(({ batch }) => batch.count);
      // A small one first, then up to twice as much for each that was taken.
      assert.is(sizes[0], 64);
      assert.ok(
        sizes.every((size, at) => size <= 64 * 2 ** at),
        `batches of ${sizes.join(', ')}`,
      );
      assert.ok(sizes.length <= 8, `${sizes.length} batches`);
    }
  });
});

it.run();
