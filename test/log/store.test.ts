import { readdir } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openStore } from '../../lib/log/store.js';
import { numbers, withStore } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';

const it = suite('log/store');

const ALL = { gte: 'k', lt: 'l' };

function keyOf(n: number): string {
  return `k${String(n).padStart(6, '0')}`;
}

function rows(from: number, to: number, bytes = 10): Map<string, Buffer> {
  return new Map(numbers(from, to).map((n) => [keyOf(n), Buffer.alloc(bytes, n)]));
}

it('a commit puts and deletes together, and a reopened store has it', async () => {
  await withStore(async (store, dir) => {
    await store.commit(rows(1, 3));
    await store.commit(new Map([[keyOf(2), undefined], ...rows(4, 4)]));
    await store.close();
    const again = await openStore(dir, false);
    assert.equal(await again.scanKeys(ALL, 10), [1, 3, 4].map(keyOf));
    assert.equal(await again.get(keyOf(4)), Buffer.alloc(10, 4));
    assert.is(await again.get(keyOf(2)), undefined);
    await again.close();
  });
});

it('a scan goes through a range in order, either way, up to a limit', async () => {
  await withStore(async (store) => {
    await store.commit(rows(1, 20));
    const scanned = async (options: Parameters<typeof store.scan>[1], range = ALL) =>
      (await store.scan(range, options)).map(([key]) => key);
    assert.equal(await scanned({ limit: 100 }), numbers(1, 20).map(keyOf));
    assert.equal(await scanned({ limit: 3 }), numbers(1, 3).map(keyOf));
    assert.equal(await scanned({ limit: 2, reverse: true }), [20, 19].map(keyOf));
    assert.equal(await scanned({ limit: 100 }, { gte: keyOf(5), lt: keyOf(8) }), [5, 6, 7].map(keyOf));
    assert.equal(await scanned({ limit: 100 }, { gte: 'x', lt: 'y' }), []);
  });
});

it('a scan ends with the row that reaches its bytes', async () => {
  await withStore(async (store) => {
    await store.commit(rows(1, 2000, 1000));
    const found = await store.scan(ALL, { limit: 2000, bytesMax: 10_000 });
    assert.ok(found.length >= 10 && found.length < 40, `${found.length} rows`);
    assert.is((await store.scan(ALL, { limit: 2000, bytesMax: 1 })).length, 1);
  });
});

it('what was read is not kept in memory that nobody counts', async () => {
  await withStore(async (store) => {
    await store.commit(rows(1, 16, 65_536));
    const read = async (times: number) => {
      while (times-- > 0) assert.is((await store.scan(ALL, { limit: 16 })).length, 16);
    };
    // So that what the process needs for it is there.
    await read(20);
    const before = process.memoryUsage.rss();
    await read(200);
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 60 * 1_048_576, `200 MiB were read, and memory grew by ${grown} bytes`);
  });
});

it('a snapshot stands still', async () => {
  await withStore(async (store) => {
    await store.commit(rows(1, 2));
    const snapshot = store.snapshot();
    await store.commit(new Map([[keyOf(1), undefined], ...rows(3, 3)]));
    const before = await store.scan(ALL, { limit: 10, snapshot });
    assert.equal(
      before.map(([key]) => key),
      [1, 2].map(keyOf),
    );
    assert.ok(await store.get(keyOf(1), snapshot));
    await snapshot.close();
    assert.equal(await store.scanKeys(ALL, 10), [2, 3].map(keyOf));
  });
});

it('a store that is open already is WAL_LOCKED', async () => {
  await withStore(async (_store, dir) => {
    await rejectsWith(openStore(dir, false), 'WAL_LOCKED', dir);
  });
});

it('a folder that holds no database is WAL_IO, and stays as it was', async () => {
  await withStore(async (store, dir) => {
    await store.close();
    await rejectsWith(openStore(`${dir}-other`, false), 'WAL_IO', `${dir}-other`);
    assert.not((await readdir(`${dir}-other`).catch((): string[] => [])).includes('CURRENT'));
  });
});

it('reading a closed store is WAL_CLOSED, also where the read began before', async () => {
  await withStore(async (store) => {
    await store.commit(rows(1, 2000, 1000));
    const begun = store.scan(ALL, { limit: 2000, bytesMax: 2_000_000 }).catch((error: unknown) => error);
    await store.close();
    const outcome = await begun;
    assert.ok(
      Array.isArray(outcome) || (outcome as { code?: string }).code === 'WAL_CLOSED',
      String(outcome),
    );
    await rejectsWith(store.get(keyOf(1)), 'WAL_CLOSED');
    await rejectsWith(store.scan(ALL, { limit: 1 }), 'WAL_CLOSED');
    await rejectsWith(store.scanKeys(ALL, 1), 'WAL_CLOSED');
    await rejectsWith(store.compact(ALL), 'WAL_CLOSED');
    assert.throws(() => store.snapshot(), /closed/);
  });
});

it.run();
