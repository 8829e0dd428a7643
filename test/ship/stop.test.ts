// How a shipper ends: in whatever it does, at once, and without throwing away what it knows.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Shipper } from '../../lib/index.js';
import type { Receipt } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import type { Reply } from '../helpers/sink.js';
import { TestSink, accepting, deferred, hanging } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal, OpenWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('ship/stop');

const append = (wal: AnyWal, count: number) =>
  wal.appendMany(
    'log',
    Array.from({ length: count }, (_, n) => ({ n })),
  );

const cursorOf = (wal: AnyWal) => wal.stats().streams['log']!.shippers['default']!;

const down: Reply = () => {
  throw new SinkError('outage', 'nobody there');
};

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: unknown }).code,
  );
}

/** How to bring a shipper into each of its states, and to let it stay there. */
const states: Record<string, (opened: OpenWal, sink: TestSink) => Promise<Shipper>> = {
  starting: async ({ wal }, sink) => {
    await append(wal, 3);
    return wal.ship('log', sink, { lingerMs: 0 });
  },
  idle: async ({ wal }, sink) => {
    const shipper = wal.ship('log', sink);
    await shipper.idle();
    await until(() => shipper.state.at === 'idle');
    return shipper;
  },
  lingering: async ({ wal, clock }, sink) => {
    const before = clock.pending;
    const shipper = wal.ship('log', sink, { lingerMs: 60_000 });
    await append(wal, 3);
    await until(() => clock.pending > before);
    return shipper;
  },
  sending: async ({ wal }, sink) => {
    sink.reply = hanging;
    await append(wal, 3);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(1);
    return shipper;
  },
  waiting: async ({ wal }, sink) => {
    sink.reply = () => {
      throw new SinkError('outage', 'not for an hour', { retryAfterMs: 3_600_000 });
    };
    await append(wal, 3);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    await until(() => shipper.state.at === 'waiting');
    return shipper;
  },
  open: async ({ wal, clock }, sink) => {
    sink.reply = down;
    await append(wal, 3);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    while (shipper.state.at !== 'open') {
      clock.advance(1_000);
      await turns(1);
    }
    return shipper;
  },
};

for (const [state, enter] of Object.entries(states)) {
  it(`stopped while ${state}, it ends at once, leaves the backlog, and another goes on`, async () => {
    await withWal({}, async (wal, opened) => {
      const sink = new TestSink();
      const shipper = await enter(opened, sink);
      const waiting = codeOf(shipper.idle());
      const rest = cursorOf(wal).backlogRecords;
      await Promise.all([shipper.stop(), shipper.stop()]);
      assert.is(shipper.state.at, 'stopped');
      // Idle asked it to hurry; what it settled before it heard of stop is settled.
      assert.ok(['resolved', 'WAL_CLOSED'].includes(String(await waiting)));
      assert.is(cursorOf(wal).state, 'none');

      await append(wal, 2);
      const next = new TestSink(accepting, { name: 'next' });
      await wal.ship('log', next).idle();
      assert.is(cursorOf(wal).backlogRecords, 0);
      assert.ok(next.seqs.flat().length <= rest + 2);
      assert.ok((await wal.verify()).ok);
    });
  });
}

it('a receipt that arrives while it stops is acknowledged', async () => {
  await withWal({}, async (wal, { reopen }) => {
    await append(wal, 3);
    const answer = deferred<Receipt>();
    const sink = new TestSink(() => answer.promise);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(1);
    const stopping = shipper.stop();
    await turns();
    answer.resolve({ accepted: 3 });
    await stopping;
    assert.is(cursorOf(wal).seq, 3);
    const again = await reopen();
    assert.is(cursorOf(again).backlogRecords, 0);
  });
});

it('what a stopped shipper was sending is free to be evicted', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 3);
    const sink = new TestSink(hanging);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(1);
    assert.is((await wal.evict({ kind: 'log', maxBytes: 0 })).evicted, 0);
    await shipper.stop();
    assert.is((await wal.evict({ kind: 'log', maxBytes: 0 })).evicted, 3);
    assert.ok((await wal.verify()).ok);
  });
});

it('idle rejects when the shipper stops before, and with the signal’s reason when that fires', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 3);
    const sink = new TestSink(hanging);
    const shipper = wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(1);
    const impatient = new AbortController();
    const aborted = shipper.idle({ signal: impatient.signal }).catch((error: unknown) => error);
    const stopped = codeOf(shipper.idle());
    await turns();
    const reason = new Error('enough');
    impatient.abort(reason);
    assert.is(await aborted, reason);
    await shipper.stop();
    assert.is(await stopped, 'WAL_CLOSED');
    assert.is(await codeOf(shipper.idle()), 'WAL_CLOSED');
  });
});

it('one shipper runs for a cursor at a time', async () => {
  await withWal({}, async (wal) => {
    const shipper = wal.ship('log', new TestSink());
    assert.throws(() => wal.ship('log', new TestSink()), /runs already/);
    await shipper.stop();
    await wal.ship('log', new TestSink()).stop();
  });
});

it('close({ drainMs }) delivers the backlog where the sink is up', async () => {
  await withWal({}, async (wal, { reopen }) => {
    const sink = new TestSink();
    wal.ship('log', sink, { lingerMs: 60_000 });
    await append(wal, 5);
    await wal.close({ drainMs: 5_000 });
    assert.equal(sink.seqs, [[1, 2, 3, 4, 5]]);
    assert.is(sink.closed, 1);
    const again = await reopen();
    assert.is(cursorOf(again).backlogRecords, 0);
  });
});

it('close({ drainMs }) gives up after that time where it is down, and what is not delivered stays', async () => {
  await withWal({}, async (wal, { clock, reopen }) => {
    await append(wal, 5);
    const sink = new TestSink(hanging);
    wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(1);
    let closed = false;
    const closing = wal.close({ drainMs: 5_000 }).then(() => (closed = true));
    await turns();
    clock.advance(4_999);
    await turns();
    assert.not(closed);
    clock.advance(1);
    await closing;
    assert.is(sink.sent.length, 1);
    assert.is(sink.closed, 1);
    const again = await reopen();
    assert.is(cursorOf(again).backlogRecords, 5);
    assert.ok((await again.verify()).ok);
  });
});

it('close without drainMs waits for nobody', async () => {
  await withWal({}, async (wal, { reopen }) => {
    await append(wal, 5);
    const sink = new TestSink(hanging);
    wal.ship('log', sink, { lingerMs: 0 });
    await sink.nth(1);
    await wal.close();
    assert.is(cursorOf(await reopen()).backlogRecords, 5);
  });
});

it('a sink of several streams is closed once; one that can’t close keeps nothing open', async () => {
  await withWal({}, async (wal) => {
    const stubborn = new TestSink();
    stubborn.close = () => Promise.reject(new Error('no'));
    await wal.ship('log', stubborn).stop();
    const sink = new TestSink();
    wal.ship('log', sink);
    wal.ship('audit', sink);
    await wal.close();
    assert.is(sink.closed, 1);
  });
});

it.run();
