import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalError } from '../../lib/errors.js';
import { RemoteLog } from '../../lib/operate/remote.js';
import { rejection } from '../helpers/rejection.js';
import { withWal } from '../helpers/wal.js';

const it = suite('operate/remote');

const RECORDS = 5000;
const text = 'x'.repeat(500);

it('a dump of a log in use is what was there when it began, while appends go on', async () => {
  await withWal({}, async (wal) => {
    const records = Array.from({ length: RECORDS }, (_, n) => ({ n, text }));
    await wal.appendMany('log', records);
    const seqs: number[] = [];
    for await (const { seq } of new RemoteLog(wal.dir).dump({ kind: 'log' })) {
      // The first lines are here, the rest is more than the socket holds: this append is behind the frozen end.
      if (seqs.length === 0) await wal.append('log', { late: true });
      seqs.push(seq);
    }
    assert.equal(
      seqs,
      records.map((_, n) => n + 1),
    );
  });
});

it('a client that goes away in the midst of a dump leaves a log that goes on, and answers the next', async () => {
  await withWal({}, async (wal) => {
    await wal.appendMany(
      'log',
      Array.from({ length: RECORDS }, (_, n) => ({ n, text })),
    );
    const remote = new RemoteLog(wal.dir);
    for await (const _ of remote.dump({})) break;
    await wal.append('log', { after: true });
    assert.is((await remote.stats()).streams['log']!.lastSeq, RECORDS + 1);
  });
});

it('evict, compact, verify and forget do over the socket what they do here', async () => {
  await withWal({}, async (wal) => {
    for (let n = 0; n < 3; n++) await wal.append('log', { n });
    const remote = new RemoteLog(wal.dir);
    const { evicted, dropped } = await remote.evict({ kind: 'log', maxBytes: 0 });
    assert.equal([evicted, dropped], [3, 3]);
    assert.ok((await remote.compact()).bytesAfter > 0);
    assert.is((await remote.verify(new AbortController().signal)).ok, true);
    // It never shipped: it has not passed the notice of what was evicted, either.
    assert.equal(await remote.forget('log', 'default'), { records: 3 });
  });
});

it('what the log refuses is refused over the socket under the same code', async () => {
  await withWal({}, async (wal) => {
    const remote = new RemoteLog(wal.dir);
    const codeOf = async (call: Promise<unknown>) => ((await rejection(call)) as WalError).code;
    assert.is(await codeOf(remote.dump({ kind: 'nothing' }).next()), 'WAL_UNKNOWN_KIND');
    assert.is(await codeOf(remote.dump({ kind: 'log', from: 5, to: 1 }).next()), 'WAL_CONFIG');
    assert.is(await codeOf(remote.evict({})), 'WAL_CONFIG');
    assert.is(await codeOf(remote.forget('log', 'nobody')), 'WAL_CONFIG');
  });
});

it.run();
