// The write side as a service sees it: what becomes of records before and in a commit.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { auditRecord, readAll, withWal } from '../helpers/wal.js';
import { numbers } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';
import { until } from '../helpers/until.js';

const it = suite('log/append');

const MIB = 1_048_576;

function cycle(): object {
  const record: Record<string, unknown> = {};
  record['self'] = record;
  return record;
}

/** What is no record, and why. */
const BAD: [
  name: string,
  record: unknown,
  code: 'WAL_RECORD_INVALID' | 'WAL_RECORD_TOO_LARGE',
  says: RegExp,
][] = [
  ['nothing', undefined, 'WAL_RECORD_INVALID', /plain object, got undefined/],
  ['null', null, 'WAL_RECORD_INVALID', /got null/],
  ['a string', 'text', 'WAL_RECORD_INVALID', /got a string/],
  ['an array', [{}], 'WAL_RECORD_INVALID', /got an array/],
  ['an instance', new Date(0), 'WAL_RECORD_INVALID', /got an instance of Date/],
  ['a BigInt in it', { n: 1n }, 'WAL_RECORD_INVALID', /BigInt/],
  ['a cycle', cycle(), 'WAL_RECORD_INVALID', /circular/],
  ['one that is too large', { text: 'x'.repeat(MIB) }, 'WAL_RECORD_TOO_LARGE', /1048576 \(maxRecordBytes\)/],
];

it('1,000 concurrent appends are numbered and read back in the order of their calls', async () => {
  await withWal({}, async (wal) => {
    const receipts = await Promise.all(numbers(1, 1000).map((n) => wal.append('audit', auditRecord(n))));
    assert.equal(
      receipts.map(({ seq }) => seq),
      numbers(1, 1000),
    );
    const items = await readAll(wal, 'audit');
    assert.equal(
      items.map((item) => [item.id, 'record' in item && item.record]),
      receipts.map(({ id, seq }) => [id, auditRecord(seq)]),
    );
    assert.is(new Set(receipts.map(({ id }) => id)).size, 1000);
  });
});

for (const [name, record, code, says] of BAD) {
  it(`${name} is ${code}, and touches nothing else of its commit`, async () => {
    await withWal({}, async (wal) => {
      const before = wal.append('log', { n: 1 });
      const bad = rejectsWith(wal.append('log', record as object), code, says, "'log'");
      const after = wal.append('log', { n: 2 });
      await bad;
      assert.equal([(await before).seq, (await after).seq], [1, 2]);
      assert.is((await readAll(wal, 'log')).length, 2);
    });
  });
}

it('appendMany takes all or nothing, in one place', async () => {
  await withWal({}, async (wal) => {
    const [before, many, after] = await Promise.all([
      wal.append('log', { n: 1 }),
      wal.appendMany('log', [{ n: 2 }, { n: 3 }, { n: 4 }]),
      wal.append('log', { n: 5 }),
    ]);
    assert.equal(
      [before, ...many, after].map(({ seq }) => seq),
      [1, 2, 3, 4, 5],
    );
    for (const [, record, code] of BAD) {
      await rejectsWith(wal.appendMany('log', [{ n: 6 }, record as object, { n: 7 }]), code);
    }
    assert.equal(
      (await readAll(wal, 'log')).map((item) => 'record' in item && item.record),
      numbers(1, 5).map((n) => ({ n })),
    );
    assert.equal(await wal.appendMany('log', []), []);
  });
});

it('the holes of a sparse array are no records', async () => {
  await withWal({}, async (wal) => {
    // oxlint-disable-next-line no-sparse-arrays -- what it is about
    await rejectsWith(wal.appendMany('log', [{ n: 1 }, , { n: 2 }] as object[]), 'WAL_RECORD_INVALID');
    await rejectsWith(wal.appendMany('log', Array<object>(3)), 'WAL_RECORD_INVALID');
    assert.equal(await readAll(wal, 'log'), []);
  });
});

it('appendMany is refused over its limits, and for what is no array', async () => {
  await withWal({}, async (wal) => {
    const large = numbers(1, 9).map(() => ({ text: 'x'.repeat(MIB - 20) }));
    await rejectsWith(wal.appendMany('log', large), 'WAL_RECORD_TOO_LARGE', 'append in parts');
    await rejectsWith(
      wal.appendMany(
        'log',
        numbers(1, 100_001).map((n) => ({ n })),
      ),
      'WAL_RECORD_TOO_LARGE',
      '100001',
    );
    await rejectsWith(wal.appendMany('log', { length: 1 } as object[]), 'WAL_RECORD_INVALID', 'array');
    assert.is((await wal.appendMany('log', large.slice(0, 7))).length, 7);
  });
});

it('append, appendMany and offer keep the order of their calls, stream by stream', async () => {
  await withWal({}, async (wal) => {
    const waits: Promise<unknown>[] = [];
    for (let n = 1; n <= 60;) {
      waits.push(wal.append('log', { n: n++ }));
      assert.ok(wal.offer('log', { n: n++ }));
      waits.push(wal.appendMany('log', [{ n: n++ }, { n: n++ }]));
      waits.push(wal.append('audit', auditRecord(n)));
      assert.ok(wal.offer('log', { n: n++ }));
    }
    await Promise.all(waits);
    await wal.append('log', { n: 61 });
    const items = await readAll(wal, 'log');
    assert.equal(
      items.map((item) => 'record' in item && item.record),
      numbers(1, 61).map((n) => ({ n })),
    );
  });
});

it('a record is taken as it is at the call, whatever becomes of it afterwards', async () => {
  await withWal({}, async (wal) => {
    const record = { n: 1 };
    const appended = wal.append('log', record);
    record.n = 2;
    await appended;
    const [item] = await readAll(wal, 'log');
    assert.equal(item && 'record' in item && item.record, { n: 1 });
  });
});

it('a delayed append waits as long as its stream says, and others take it along', async () => {
  const streams = { log: { commitDelayMs: 1000 } };
  await withWal({ streams }, async (wal, { clock }) => {
    const delayed = wal.append('log', { n: 1 });
    await until(() => clock.pending > 0);
    assert.is(wal.stats().streams['log']?.lastSeq, 0);
    clock.advance(1000);
    await delayed;
    const along = wal.append('log', { n: 2 });
    await wal.append('audit', auditRecord(1));
    assert.is((await along).seq, 2);
  });
});

it('an offer that fails returns false or is told later, once, until one succeeds', async () => {
  await withWal({}, async (wal, { events }) => {
    const failures = () => events.filter(({ type }) => type === 'offer-failed').length;
    assert.not(wal.offer('log', { n: 1n }));
    assert.not(wal.offer('log', cycle()));
    assert.not(wal.offer('nobody', {}));
    assert.is(failures(), 2);
    assert.equal(events[0], {
      type: 'offer-failed',
      kind: 'log',
      code: 'WAL_RECORD_INVALID',
      message: events[0] && 'message' in events[0] ? events[0].message : '',
    });
    assert.ok(wal.offer('log', { n: 1 }));
    await wal.append('log', { n: 2 });
    assert.not(wal.offer('log', 7 as unknown as object));
    assert.is(failures(), 3);
    assert.is(wal.offersFailed, 4);
    assert.is((await readAll(wal, 'log')).length, 2);
  });
});

it('what waits is bounded: WAL_OVERLOADED, and an offer is false', async () => {
  await withWal({}, async (wal) => {
    const records = numbers(1, 50_000).map((n) => ({ n }));
    const waiting = Promise.all([wal.appendMany('log', records), wal.appendMany('log', records)]);
    await rejectsWith(wal.append('log', {}), 'WAL_OVERLOADED', '100000 records');
    assert.not(wal.offer('audit', auditRecord(1)));
    assert.is((await waiting).flat().length, 100_000);
    assert.is((await wal.append('log', {})).seq, 100_001);
  });
});

it('appendMany is bounded by what its lines have, ids included: many tiny records are too large', async () => {
  await withWal({}, async (wal) => {
    const tiny = Array.from({ length: 100_000 }, () => ({}));
    await rejectsWith(wal.appendMany('log', tiny), 'WAL_RECORD_TOO_LARGE', 'bytes of lines');
    assert.is(wal.stats().pendingBytes, 0);
    assert.is((await wal.appendMany('log', tiny.slice(0, 60_000))).at(-1)!.seq, 60_000);
  });
});

it('an unknown kind is WAL_UNKNOWN_KIND, and the known ones are named', async () => {
  await withWal({ streams: { billing: { whenFull: 'reject' } } }, async (wal) => {
    await rejectsWith(wal.append('bills', {}), 'WAL_UNKNOWN_KIND', 'bills', 'log, audit, billing');
    await rejectsWith(wal.appendMany('bills', []), 'WAL_UNKNOWN_KIND');
    assert.is((await wal.append('billing', {})).seq, 1);
  });
});

it('after close, everything is WAL_CLOSED; what waited is on disk', async () => {
  await withWal({ streams: { log: { commitDelayMs: 60_000 } } }, async (wal, { reopen }) => {
    const waiting = wal.append('log', { n: 1 });
    await wal.close();
    await waiting;
    await rejectsWith(wal.append('log', {}), 'WAL_CLOSED');
    await rejectsWith(wal.appendMany('log', [{}]), 'WAL_CLOSED');
    await rejectsWith(wal.evict({ maxBytes: 0 }), 'WAL_CLOSED');
    await rejectsWith(wal.compact(), 'WAL_CLOSED');
    await rejectsWith(wal.verify(), 'WAL_CLOSED');
    assert.not(wal.offer('log', {}));
    assert.throws(() => wal.read('log'), /closed/);
    const again = await reopen();
    assert.is((await readAll(again, 'log')).length, 1);
  });
});

it('evict, compact and verify end beside a producer that never stops', async () => {
  await withWal({}, async (wal) => {
    let stopped = false;
    const producing = (async () => {
      while (!stopped) await wal.append('log', { text: 'x'.repeat(100) });
    })();
    await wal.append('log', {});
    assert.ok((await wal.evict({ maxBytes: 0 })).evicted > 0);
    await wal.compact();
    assert.ok((await wal.verify()).ok);
    stopped = true;
    await producing;
  });
});

it.run();
