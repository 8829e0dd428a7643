import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Writer } from '../../lib/log/commit.js';
import { DEFLATE_BYTES_MIN } from '../../lib/log/encode.js';
import { keys } from '../../lib/log/keyspace.js';
import type { Store } from '../../lib/log/store.js';
import { entriesOf, numbers, seqsOnDisk } from '../helpers/log.js';
import { rejection, rejectsWith } from '../helpers/rejection.js';
import { deferred } from '../helpers/sink.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { turns, until } from '../helpers/until.js';
import { withWriter } from '../helpers/writer.js';

const it = suite('log/commit');

/** So many appends of one record, each worth 300 bytes of lines. */
async function appendLarge(writer: Writer, count: number): Promise<void> {
  const json = JSON.stringify({ text: 'a'.repeat(240) });
  const append = () => writer.append([{ kind: 'log', records: [json] }], 300, 0);
  await Promise.all(Array.from({ length: count }, append));
}

async function countsOf(store: Store): Promise<number[]> {
  return (await entriesOf(store, 'log')).map(({ count }) => count);
}

it('1,000 concurrent appends land in one commit, in order', async () => {
  await withWriter({}, async ({ append, commits, store }) => {
    assert.equal(await Promise.all(append('log', numbers(1, 1000))), numbers(1, 1000));
    assert.is(commits.length, 1);
    assert.equal(await seqsOnDisk(store, 'log'), numbers(1, 1000));
  });
});

it('64 producers that each wait for their own record share commits', async () => {
  await withWriter({}, async ({ append, commits, store }) => {
    const produce = async () => {
      for (let n = 0; n < 20; n++) await append('log', [n])[0];
    };
    await Promise.all(numbers(1, 64).map(produce));
    assert.equal(await seqsOnDisk(store, 'log'), numbers(1, 1280));
    assert.ok(commits.length <= 40, `${commits.length} commits`);
  });
});

it('one commit is in flight, and what arrives meanwhile forms the next', async () => {
  const first = deferred<void>();
  let inFlight = 0;
  const write = async (commit: () => Promise<void>, number: number) => {
    assert.is(++inFlight, 1);
    if (number === 1) await first.promise;
    await commit();
    inFlight--;
  };
  await withWriter({ write }, async ({ append, commits }) => {
    const before = append('log', [1]);
    await turns();
    const meanwhile = numbers(1, 5).flatMap((n) => append(n % 2 ? 'log' : 'audit', [n]));
    await turns();
    assert.is(commits.length, 1);
    first.resolve();
    await Promise.all([...before, ...meanwhile]);
    assert.is(commits.length, 2);
  });
});

it('a large group is encoded while the commit before it syncs', async () => {
  const first = deferred<void>();
  const write = async (commit: () => Promise<void>, number: number) => {
    if (number === 1) await first.promise;
    await commit();
  };
  await withWriter({ write }, async ({ append, writer, store, commits }) => {
    const before = append('log', [1]);
    await turns();
    const json = JSON.stringify({ text: 'x'.repeat(DEFLATE_BYTES_MIN) });
    const large = writer.append([{ kind: 'log', records: [json] }], json.length, 0);
    const after = append('log', [3]);
    first.resolve();
    assert.equal(await Promise.all([...before, ...after]), [1, 3]);
    assert.is((await large)[0]?.firstSeq, 2);
    assert.equal(await seqsOnDisk(store, 'log'), [1, 2, 3]);
    assert.ok(commits.length <= 3);
  });
});

it('of appends that are worth deflating, an idle disk is given half, and the other half while that syncs', async () => {
  await withWriter({}, async ({ writer, store }) => {
    await appendLarge(writer, 1000);
    assert.equal(await countsOf(store), [500, 500]);
  });
});

it('a disk that is slower than encoding is given all of them, and what comes meanwhile waits for company', async () => {
  const clock = new ManualClock();
  const third = deferred<void>();
  const write = async (commit: () => Promise<void>, number: number) => {
    await commit();
    clock.advance(10);
    if (number === 3) await third.promise;
  };
  let tellingMs = 0;
  const committed = () => clock.advance(tellingMs);
  await withWriter({ write, clock, committed }, async ({ append, writer, store, commits }) => {
    await append('log', [1])[0];
    tellingMs = 1;
    await appendLarge(writer, 300);
    // These take no time of the disk, and say nothing of it.
    for (let n = 0; n < 40; n++) await writer.flushed();
    const all = appendLarge(writer, 500);
    await until(() => commits.length === 3);
    const meanwhile = appendLarge(writer, 200);
    await turns();
    third.resolve();
    await Promise.all([all, meanwhile, appendLarge(writer, 100)]);
    assert.equal(await countsOf(store), [1, 300, 500, 300]);
  });
});

it('everything of a commit is on disk when its promises resolve, and in memory before that', async () => {
  const states: number[] = [];
  const committed = (streams: ReadonlyMap<string, { lastSeq: number }>, kinds: readonly string[]) => {
    assert.equal(kinds, ['log']);
    states.push(streams.get('log')!.lastSeq);
  };
  await withWriter({ committed }, async ({ append, store }) => {
    for (let seq = 1; seq <= 3; seq++) {
      await append('log', [seq])[0];
      assert.is(states.at(-1), seq);
      assert.is((await entriesOf(store, 'log')).at(-1)?.lastSeq, seq);
    }
  });
});

it('an operation that throws is rejected alone', async () => {
  await withWriter({}, async ({ append, writer, commits, store }) => {
    const before = append('log', [1]);
    const throwing = writer.change(() => {
      throw new Error('no');
    });
    const alsoThrowing = writer.append([{ kind: 'log', records: ['{}'] }], 2, 0, () => {
      throw new Error('nor this');
    });
    const change = writer.change((draft) => draft.put(keys.import('x'), 1));
    const after = append('log', [2]);
    const errors = await Promise.all([rejection(throwing), rejection(alsoThrowing)]);
    assert.equal(
      errors.map(({ message }) => message),
      ['no', 'nor this'],
    );
    assert.equal(await Promise.all([...before, ...after]), [1, 2]);
    await change;
    assert.is(commits.length, 1);
    assert.equal(await seqsOnDisk(store, 'log'), [1, 2]);
    assert.ok(await store.get(keys.import('x')));
    assert.is(writer.waitingBytes, 0);
  });
});

it('an append of several streams takes its place in each, with other changes, in one commit', async () => {
  await withWriter({}, async ({ append, writer, commits, store }) => {
    await append('audit', [1])[0];
    const both = [
      { kind: 'log', records: ['{"n":1}', '{"n":2}'] },
      { kind: 'audit', records: ['{"n":3}'] },
    ];
    const places = await writer.append(both, 30, 0, (draft) => void draft.put(keys.import('file'), 7));
    assert.equal(
      places.map(({ firstSeq }) => firstSeq),
      [1, 2],
    );
    assert.is(commits.length, 2);
    assert.ok(commits[1]?.has(keys.import('file')));
    assert.equal(await seqsOnDisk(store, 'log'), [1, 2]);
    assert.equal(await seqsOnDisk(store, 'audit'), [1, 2]);
  });
});

it('a change of nothing needs no write', async () => {
  await withWriter({}, async ({ writer, commits }) => {
    assert.is(await writer.change(() => 'done'), 'done');
    assert.is(commits.length, 0);
  });
});

it('close commits what waits, then everything is WAL_CLOSED', async () => {
  await withWriter({}, async ({ append, writer, store }) => {
    const waiting = [...append('log', [1], 60_000), ...append('log', [2])];
    const closed = writer.close();
    const refused = [append('log', [3])[0]!, writer.change(() => {}), writer.flushed()];
    await Promise.all(refused.map((promise) => rejectsWith(promise, 'WAL_CLOSED')));
    assert.equal(await Promise.all(waiting), [1, 2]);
    await closed;
    await writer.close();
    assert.equal(await seqsOnDisk(store, 'log'), [1, 2]);
  });
});

it.run();
