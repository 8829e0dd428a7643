import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { keys } from '../../lib/log/keyspace.js';
import { WAITING_BYTES_MAX, WAITING_RECORDS_MAX } from '../../lib/log/queue.js';
import { entriesOf } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';
import { withWriter } from '../helpers/writer.js';

const it = suite('log/queue');

const MIB = 1_048_576;

it('a commit holds at most 4 MiB of lines, unless one append has more', async () => {
  await withWriter({}, async ({ writer, commits, store }) => {
    const sizes = [1, 1, 1, 1, 1, 3, 2, 9, 1, 4, 1];
    const appends = sizes.map((mib) => writer.append([{ kind: 'log', records: ['{}'] }], mib * MIB, 0));
    await Promise.all(appends);
    assert.equal(
      commits.map(({ size }) => size),
      commits.map(() => 1),
    );
    const counts = (await entriesOf(store, 'log')).map(({ count }) => count);
    assert.equal(counts, [4, 2, 1, 1, 1, 1, 1]);
  });
});

it('a commit changes at most 5,000 keys, unless one operation changes more', async () => {
  await withWriter({}, async ({ writer, commits }) => {
    const changes = [2000, 2000, 2000, 7000, 1000].map((count, n) =>
      writer.change((draft) => draft.put(keys.import(`${n}`), n), count),
    );
    await Promise.all(changes);
    assert.equal(
      commits.map(({ size }) => size),
      [2, 1, 1, 1],
    );
  });
});

it('WAL_OVERLOADED where too many records wait; nothing that waits is lost, and it takes again', async () => {
  await withWriter({}, async ({ append, writer }) => {
    writer.gate = { at: 'held' };
    const many = Array<string>(WAITING_RECORDS_MAX - 1).fill('{}');
    const waiting = writer.append([{ kind: 'log', records: many }], 2 * many.length, 0);
    const [last] = append('log', [1]);
    await rejectsWith(append('log', [2])[0]!, 'WAL_OVERLOADED', '100000 records');
    assert.throws(() => writer.checkRoom(1, 1), /100000 records/);
    writer.gate = { at: 'open' };
    await waiting;
    assert.is(await last, WAITING_RECORDS_MAX);
    assert.is(writer.waitingBytes, 0);
    assert.is(await append('log', [3])[0], WAITING_RECORDS_MAX + 1);
  });
});

it('WAL_OVERLOADED where too many bytes wait; alone, anything gets in', async () => {
  await withWriter({}, async ({ append, writer }) => {
    writer.gate = { at: 'held' };
    const large = writer.append([{ kind: 'log', records: ['{}'] }], WAITING_BYTES_MAX + 1, 0);
    await rejectsWith(append('log', [1])[0]!, 'WAL_OVERLOADED');
    writer.gate = { at: 'open' };
    assert.is((await large)[0]?.firstSeq, 1);
  });
});

it.run();
