import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { DEFLATE_BYTES_MIN } from '../../lib/log/encode.js';
import { keys } from '../../lib/log/keyspace.js';
import { seqsOnDisk } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';
import { deferred } from '../helpers/sink.js';
import { turns } from '../helpers/until.js';
import type { WriterBench } from '../helpers/writer.js';
import { withWriter } from '../helpers/writer.js';

const it = suite('log/commit-settling');

async function refusesAfterwards(commit: () => Promise<void>, number: number): Promise<void> {
  await commit();
  if (number === 1) throw new Error('it was there');
}

/** A disk that refuses for good once it is told to, while one append is being written and a large one encoded. */
async function withDoomedDisk(
  use: (bench: WriterBench, appended: readonly Promise<unknown>[], refuse: () => void) => Promise<void>,
): Promise<void> {
  const failed = deferred<void>();
  const write = async () => {
    await failed.promise;
    throw new Error('disk on fire');
  };
  await withWriter({ write }, async (bench) => {
    const written = bench.append('log', [1]);
    await turns();
    const text = randomBytes(4 * DEFLATE_BYTES_MIN).toString('hex');
    const json = JSON.stringify({ text });
    const encoded = bench.writer.append([{ kind: 'log', records: [json] }], json.length, 0);
    // In the turn in which the large one goes to the thread pool.
    await turns(1);
    await use(bench, [...written, encoded], () => failed.resolve());
  });
}

it('a disk that refuses for good rejects what is written, what is being encoded and what waits', async () => {
  await withDoomedDisk(async ({ append, writer }, appended, refuse) => {
    const waiting = [...append('log', [2]), writer.change(() => {})];
    refuse();
    const refused = [...appended, ...waiting];
    await Promise.all(refused.map((promise) => rejectsWith(promise, 'WAL_IO', 'disk on fire')));
    await rejectsWith(append('log', [3])[0]!, 'WAL_IO');
    assert.is(writer.waitingBytes, 0);
  });
});

it('close ends where the disk refuses for good while a group is being encoded', async () => {
  await withDoomedDisk(async ({ writer }, appended, refuse) => {
    const closed = writer.close();
    refuse();
    await Promise.all(appended.map((promise) => rejectsWith(promise, 'WAL_IO')));
    await closed;
  });
});

it('a refused commit that is not there is written again, under the same ids', async () => {
  let calls = 0;
  const write = async (commit: () => Promise<void>) => {
    if (++calls === 1) throw new Error('once');
    await commit();
  };
  await withWriter({ write, settle: () => Promise.resolve(false) }, async ({ append, commits, store }) => {
    assert.equal(await Promise.all(append('log', [1, 2])), [1, 2]);
    assert.is(commits.length, 2);
    assert.is(commits[0], commits[1]);
    assert.equal(await seqsOnDisk(store, 'log'), [1, 2]);
    assert.is(await append('log', [3])[0], 3);
  });
});

it('a refused commit that is there all the same is not written again', async () => {
  await withWriter(
    { write: refusesAfterwards, settle: () => Promise.resolve(true) },
    async ({ append, commits, store }) => {
      assert.is(await append('log', [1])[0], 1);
      assert.is(await append('log', [2])[0], 2);
      assert.is(commits.length, 2);
      assert.equal(await seqsOnDisk(store, 'log'), [1, 2]);
    },
  );
});

it('where settling takes long, appends with a seq are rejected as unknown, changes go on, and numbering resumes under a new writer id', async () => {
  const healed = deferred<void>();
  let calls = 0;
  const write = async (commit: () => Promise<void>) => {
    if (++calls === 1) throw new Error('slow');
    await commit();
  };
  const settle = async (_changes: unknown, _error: Error, giveUp: () => void) => {
    giveUp();
    await healed.promise;
    return false;
  };
  await withWriter({ write, settle }, async ({ append, writer, writerIds, store }) => {
    const unknown = rejectsWith(append('log', [1])[0]!, 'WAL_IO', 'slow');
    const change = writer.change((draft) => draft.put(keys.import('x'), 1));
    await turns();
    const json = JSON.stringify({ text: 'y'.repeat(DEFLATE_BYTES_MIN) });
    const waiting = writer.append([{ kind: 'log', records: [json] }], json.length, 0);
    await unknown;
    healed.resolve();
    await change;
    assert.equal(await waiting, [{ writerId: 'B'.repeat(16), firstSeq: 1 }]);
    assert.is(writerIds.length, 2);
    assert.equal(await seqsOnDisk(store, 'log'), [1]);
    assert.is(await append('log', [2])[0], 2);
    assert.is(writer.waitingBytes, 0);
  });
});

it('what is being encoded when settling takes long is rejected as unknown, too, and changes keep their order', async () => {
  const failed = deferred<void>();
  const write = async (commit: () => Promise<void>, number: number) => {
    if (number > 1) return commit();
    await failed.promise;
    throw new Error('slow');
  };
  const settle = (_changes: unknown, _error: Error, giveUp: () => void) => {
    giveUp();
    return Promise.resolve(false);
  };
  await withWriter({ write, settle }, async ({ append, writer, store }) => {
    let order: number[] = [];
    const change = (n: number) => writer.change(() => void order.push(n));
    const unknown = append('log', [1]);
    const changes = [change(1)];
    await turns();
    const text = randomBytes(4 * DEFLATE_BYTES_MIN).toString('hex');
    const json = JSON.stringify({ text });
    unknown.push(writer.append([{ kind: 'log', records: [json] }], json.length, 0).then(() => 0));
    changes.push(change(2));
    // In the turn in which the large one goes to the thread pool.
    await turns(1);
    assert.equal(order, [1, 2]);
    order = [];
    failed.resolve();
    await Promise.all(unknown.map((promise) => rejectsWith(promise, 'WAL_IO', 'slow')));
    await Promise.all(changes);
    assert.equal(order, [1, 2]);
    assert.is(await append('log', [2])[0], 1);
    assert.equal(await seqsOnDisk(store, 'log'), [1]);
    assert.is(writer.waitingBytes, 0);
  });
});

it('a group that can not be encoded ends writing: what is being written meanwhile is rejected, and nothing is told twice', async () => {
  for (const isThere of [true, false]) {
    const answered = deferred<void>();
    const write = async (commit: () => Promise<void>) => {
      await answered.promise;
      if (!isThere) throw new Error('refused');
      await commit();
    };
    const settle = () => Promise.resolve(false);
    await withWriter({ write, settle }, async ({ append, writer }) => {
      const written = append('log', [1]);
      await turns();
      const json = JSON.stringify({ text: 'y'.repeat(4 * DEFLATE_BYTES_MIN) });
      const refused = [
        ...written,
        writer.append([{ kind: 'log', records: [json] }], json.length, 0, (draft) => {
          draft.putSealed = () => {
            throw new Error('no memory');
          };
        }),
      ];
      await Promise.all(refused.map((promise) => rejectsWith(promise, 'WAL_IO', 'no memory')));
      answered.resolve();
      await turns();
      assert.is(writer.waitingBytes, 0);
      await rejectsWith(append('log', [2])[0]!, 'WAL_IO', 'no memory');
    });
  }
});

it('appends wait at a held gate while other changes go on, and are refused at one that refuses', async () => {
  await withWriter({}, async ({ append, writer, commits, store }) => {
    writer.gate = { at: 'held' };
    const held = append('log', [1]);
    await writer.change((draft) => draft.put(keys.import('x'), 1));
    assert.is(commits.length, 1);
    writer.gate = { at: 'open' };
    assert.is(await held[0], 1);
    writer.gate = { at: 'held' };
    const refused = append('log', [2]);
    writer.gate = { at: 'refusing', error: () => new WalError('WAL_FULL', 'no room') };
    refused.push(...append('log', [3]));
    await Promise.all(refused.map((promise) => rejectsWith(promise, 'WAL_FULL', 'no room')));
    await writer.change((draft) => draft.put(keys.import('y'), 1));
    writer.gate = { at: 'open' };
    assert.is(await append('log', [4])[0], 2);
    assert.equal(await seqsOnDisk(store, 'log'), [1, 2]);
  });
});

it.run();
