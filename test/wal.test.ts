// Wal as its service sees it: what it promises at its door, while it runs, and when it ends.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../lib/errors.js';
import type { WalOptions } from '../lib/config.js';
import { Wal } from '../lib/wal.js';
import { withFolder } from './helpers/folder.js';
import { TestSink, hanging } from './helpers/sink.js';
import { until } from './helpers/until.js';
import type { AnyWal } from './helpers/wal.js';
import { readAll, withWal } from './helpers/wal.js';

const it = suite('wal');

const append = (wal: AnyWal, count: number, kind = 'log') =>
  wal.appendMany(
    kind,
    Array.from({ length: count }, (_, n) => ({ n })),
  );

/** The code of what a call throws or rejects with. */
async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return 'none';
  } catch (error) {
    return error instanceof WalError ? error.code : error;
  }
}

it('after everything was delivered and deleted, a reopened log goes on with the next seq', async () => {
  await withWal({}, async (wal, { reopen }) => {
    await append(wal, 3);
    await wal.ship('log', new TestSink()).idle();
    assert.is(wal.stats().streams['log']!.storedBytes, 0);
    const again = await reopen();
    const receipt = await again.append('log', { n: 4 });
    assert.is(receipt.seq, 4);
    assert.is(receipt.id, `${again.stats().writerId}:log:4`);
    assert.is.not(again.stats().writerId, wal.stats().writerId);
    assert.is(again.stats().logId, wal.stats().logId);
  });
});

it('a record that can’t be taken touches nothing else of the same commit', async () => {
  await withWal({ streams: { log: { maxRecordBytes: 1_000 } } }, async (wal) => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const bad = [
      cycle,
      { n: 1n },
      { text: 'x'.repeat(1_000) },
      [] as unknown as object,
      null as unknown as object,
    ];
    const good = Array.from({ length: 20 }, (_, n) => ({ n }));
    const mixed = good.flatMap((record, n) => [record, bad[n % bad.length]!]);
    const settled = await Promise.allSettled(mixed.map((record) => wal.append('log', record)));
    for (const [n, { status }] of settled.entries())
      assert.is(status, n % 2 === 0 ? 'fulfilled' : 'rejected');
    const items = await readAll(wal, 'log');
    assert.equal(
      items.map((item) => 'record' in item && item.record),
      good,
    );
    assert.ok((await wal.verify()).ok);
  });
});

it('offer never throws or rejects: what it can’t take is counted, and told once until it can again', async () => {
  await withWal({ streams: { log: { maxRecordBytes: 100 } } }, async (wal, { events }) => {
    assert.is(wal.offer('log', { n: 1 }), true);
    await until(() => wal.stats().streams['log']!.lastSeq === 1);
    assert.is(wal.offer('log', { n: 1n }), false);
    assert.is(wal.offer('log', { text: 'x'.repeat(100) }), false);
    assert.is(wal.offer('log', undefined as unknown as object), false);
    assert.is(wal.offer('nothing', {}), false);
    assert.is(wal.offersFailed, 4);
    assert.equal(
      events.map((event) => event.type === 'offer-failed' && [event.kind, event.code]),
      [
        ['log', 'WAL_RECORD_INVALID'],
        ['nothing', 'WAL_UNKNOWN_KIND'],
      ],
    );
    assert.is(wal.offer('log', { n: 2 }), true);
    await until(() => wal.stats().streams['log']!.lastSeq === 2);
    assert.is(wal.offer('log', { n: 1n }), false);
    assert.is(events.length, 3);
    await wal.close();
    assert.is(wal.offer('log', { n: 3 }), false);
    assert.is(wal.offersFailed, 6);
  });
});

it('what was offered before an overload is no sign that it is over', async () => {
  await withWal({}, async (wal, { events }) => {
    const text = 'x'.repeat(900_000);
    let taken = 0;
    for (let n = 0; n < 90; n++) if (wal.offer('log', { n, text })) taken++;
    assert.ok(taken > 50 && taken < 90, `${taken} taken`);
    assert.is(wal.offersFailed, 90 - taken);
    await until(() => wal.stats().streams['log']!.lastSeq > 0);
    assert.is(wal.offer('log', { n: 1n }), false);
    await until(() => wal.stats().streams['log']!.lastSeq === taken);
    assert.is(events.length, 1);
    assert.ok(wal.offer('log', { n: 1 }));
    await until(() => wal.stats().streams['log']!.lastSeq > taken);
    assert.is(wal.offer('log', { n: 1n }), false);
    assert.is(events.length, 2);
  });
});

it('stats tell of every declared cursor, and add up at any moment', async () => {
  await withWal({ streams: { log: { shippers: ['one', 'two'] } } }, async (wal) => {
    const { shippers } = wal.stats().streams['log']!;
    assert.equal(Object.keys(shippers), ['one', 'two']);
    assert.is(shippers['one']!.state, 'none');
    const check = () => {
      const { lastSeq, shippers: now } = wal.stats().streams['log']!;
      for (const { startSeq, backlogRecords, delivered, dropped, quarantined, lost } of Object.values(now)) {
        assert.is(lastSeq - startSeq, backlogRecords + delivered + dropped + quarantined + lost);
      }
    };
    const sink = new TestSink((sent) => {
      check();
      return { accepted: sent.batch.count };
    });
    wal.ship('log', sink, { name: 'one', lingerMs: 0, batchMax: 7 });
    for (let round = 0; round < 20; round++) {
      const appended = append(wal, 10);
      check();
      await appended;
      check();
      if (round % 5 === 4) await wal.evict({ kind: 'log', maxBytes: 500 });
      check();
    }
    await wal.ship('log', new TestSink(undefined, { name: 'other' }), { name: 'two' }).idle();
    check();
    assert.is(wal.stats().streams['log']!.shippers['two']!.backlogRecords, 0);
  });
});

it('evict needs a bound that is one, and a kind that is there', async () => {
  await withWal({}, async (wal) => {
    assert.is(await codeOf(() => wal.evict({})), 'WAL_CONFIG');
    assert.is(await codeOf(() => wal.evict({ maxBytes: -1 })), 'WAL_CONFIG');
    assert.is(await codeOf(() => wal.evict({ maxAgeMs: 1.5 })), 'WAL_CONFIG');
    assert.is(await codeOf(() => wal.evict({ kind: 'nothing', maxBytes: 0 })), 'WAL_UNKNOWN_KIND');
  });
});

it('evict drops the oldest of drop-oldest streams, counts and tells it, and never touches what audit has not delivered', async () => {
  await withWal({}, async (wal, { events }) => {
    await append(wal, 10);
    await append(wal, 10);
    await append(wal, 10, 'audit');
    const report = await wal.evict({ maxBytes: 0 });
    assert.equal({ evicted: report.evicted, dropped: report.dropped }, { evicted: 20, dropped: 20 });
    assert.ok(report.freedBytes > 0);
    const { log, audit } = wal.stats().streams;
    assert.equal([log!.storedBytes, log!.shippers['default']!.dropped], [0, 20]);
    assert.equal([audit!.firstSeq, audit!.shippers['default']!.backlogRecords], [1, 10]);
    assert.equal(events, [
      { type: 'dropped', kind: 'log', shipper: 'default', from: 1, to: 20, records: 20, reason: 'size' },
    ]);
    assert.ok((await wal.verify()).ok);
  });
});

it('evict by age takes what was appended before, and nothing younger', async () => {
  await withWal({}, async (wal, { clock }) => {
    await append(wal, 3);
    clock.advance(10_000);
    await append(wal, 4);
    const report = await wal.evict({ maxAgeMs: 5_000 });
    assert.is(report.dropped, 3);
    assert.equal(
      (await readAll(wal, 'log')).map(({ seq }) => seq),
      [3, 4, 5, 6, 7],
    );
  });
});

it('evict, compact, verify and idle come to an end while appends never pause', async () => {
  await withWal({}, async (wal) => {
    let over = false;
    const producers = Array.from({ length: 8 }, async () => {
      while (!over) await wal.append('log', { text: 'x'.repeat(200) });
    });
    await wal.append('log', { n: 1 });
    await wal.evict({ maxBytes: 0 });
    await wal.compact();
    const report = await wal.verify();
    assert.equal(report.problems, []);
    await wal.forget('audit', 'default');
    over = true;
    await Promise.all(producers);
  });
});

it('forget names what is not there, and leaves what runs alone', async () => {
  await withWal({}, async (wal) => {
    await append(wal, 3);
    assert.is(await codeOf(() => wal.forget('log', 'nobody')), 'WAL_CONFIG');
    assert.is(await codeOf(() => wal.forget('nothing', 'default')), 'WAL_UNKNOWN_KIND');
    const shipper = wal.ship('log', new TestSink(hanging));
    assert.is(await codeOf(() => wal.forget('log', 'default')), 'WAL_CONFIG');
    await shipper.stop();
    assert.equal(await wal.forget('log', 'default'), { records: 3 });
    assert.is(await codeOf(() => wal.forget('log', 'default')), 'WAL_CONFIG');
  });
});

it('ship checks its options by name', async () => {
  await withWal({ streams: { log: { shippers: ['siem'] } } }, async (wal) => {
    const sink = new TestSink();
    const calls: [RegExp, () => unknown][] = [
      [/no shipper 'default'; declared are siem/, () => wal.ship('log', sink)],
      [/lingerMs/, () => wal.ship('audit', sink, { lingerMs: -1 })],
      [/batchMax/, () => wal.ship('audit', sink, { batchMax: 0 })],
      [/batchBytes/, () => wal.ship('audit', sink, { batchBytes: 1_023 })],
      [/sink/, () => wal.ship('audit', {} as TestSink)],
      [/sink/, () => wal.ship('audit', undefined as unknown as TestSink)],
      [/no stream 'nothing'/, () => wal.ship('nothing', sink)],
    ];
    for (const [message, call] of calls) assert.throws(call, message);
    // None of that is in the way of one that fits.
    await wal.ship('audit', sink).stop();
  });
});

it('a log is open once: the second one is told who holds it', async () => {
  await withWal({}, async (wal, { varDir }) => {
    const options: WalOptions = { service: 'test', varDir, reserveBytes: 0 };
    for (const open of [() => Wal.open(options), () => Wal.openFolder(wal.dir)]) {
      const error = await open().catch((reason: unknown) => reason);
      assert.is((error as WalError).code, 'WAL_LOCKED');
      assert.match((error as WalError).message, String(process.pid));
    }
    await wal.append('log', { still: 'works' });
  });
});

it('a log opened by its folder is what is on disk: no cursor more, no record less', async () => {
  const streams: WalOptions['streams'] = {
    log: { shippers: ['siem'] },
    billing: { whenFull: 'drop-oldest', shippers: ['books', 'archive'] },
  };
  await withWal({ streams }, async (wal, { reopen }) => {
    await append(wal, 3);
    await append(wal, 4, 'billing');
    await wal.close();
    const tool = await Wal.openFolder(wal.dir);
    try {
      assert.is(tool.stats().service, 'test');
      assert.equal(Object.keys(tool.stats().streams['log']!.shippers), ['siem']);
      assert.equal(
        (await readAll(tool, 'billing')).map(({ seq }) => seq),
        [1, 2, 3, 4],
      );
      // Its policy is not on disk, so it is not for a tool to drop any of it.
      assert.is((await tool.evict({ kind: 'billing', maxBytes: 0 })).evicted, 0);
      await tool.ship('billing', new TestSink(), { name: 'books' }).idle();
    } finally {
      await tool.close();
    }
    const again = await reopen();
    assert.equal(Object.keys(again.stats().streams['log']!.shippers), ['siem']);
    assert.is(again.stats().streams['billing']!.shippers['archive']!.backlogRecords, 4);
    assert.is(again.stats().streams['billing']!.shippers['books']!.backlogRecords, 0);
  });
});

it('a folder without a log is not made one', async () => {
  await withFolder(async (dir) => {
    assert.is(await codeOf(() => Wal.openFolder(dir)), 'WAL_CONFIG');
  });
});

it('close commits what waits, is one for all its callers, and then everything is WAL_CLOSED', async () => {
  await withWal({ streams: { log: { commitDelayMs: 60_000 } } }, async (wal, { reopen }) => {
    const waiting = append(wal, 5);
    assert.ok(wal.offer('log', { n: 6 }));
    const closing = wal.close();
    assert.is(wal.close({ drainMs: 1_000 }), closing);
    const calls: (() => unknown)[] = [
      () => wal.append('log', {}),
      () => wal.appendMany('log', [{}]),
      () => wal.read('log'),
      () => wal.ship('log', new TestSink()),
      () => wal.evict({ kind: 'log', maxBytes: 0 }),
      () => wal.evict({ maxBytes: 0 }),
      () => wal.forget('log', 'default'),
    ];
    for (const call of calls) assert.is(await codeOf(call), 'WAL_CLOSED', String(call));
    await Promise.all([closing, waiting]);
    for (const call of calls) assert.is(await codeOf(call), 'WAL_CLOSED', String(call));
    assert.is(await codeOf(() => wal.verify()), 'WAL_CLOSED');
    assert.is(await codeOf(() => wal.compact()), 'WAL_CLOSED');
    assert.is(wal.stats().streams['log']!.lastSeq, 6);
    assert.is((await readAll(await reopen(), 'log')).length, 6);
  });
});

it('await using closes it', async () => {
  await withFolder(async (varDir) => {
    const options: WalOptions = { service: 'test', varDir, reserveBytes: 0 };
    {
      await using wal = await Wal.open(options);
      await wal.append('log', { ts: 1, service: 'test', level: 'info' });
    }
    await using again = await Wal.open(options);
    assert.is(again.stats().streams['log']!.lastSeq, 1);
  });
});

it('an observer that throws, at once or later, breaks nothing', async () => {
  for (const onEvent of [
    () => {
      throw new Error('not my day');
    },
    (() => Promise.reject(new Error('nor mine'))) as () => void,
  ]) {
    await withWal({ onEvent }, async (wal) => {
      assert.is(wal.offer('nothing', {}), false);
      await append(wal, 3);
      await wal.evict({ maxBytes: 0 });
      await wal.append('log', { n: 4 });
    });
  }
});

it.run();
