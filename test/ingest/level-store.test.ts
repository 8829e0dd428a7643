import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { Level } from 'level';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { openLevelStore } from '../../lib/ingest/index.js';
import type { IngestBatch, IngestLine, IngestStore } from '../../lib/ingest/index.js';
import { keys, seal } from '../../lib/ingest/level-keys.js';
import { withFolder } from '../helpers/receiver.js';
import { skipIf } from '../helpers/skip.js';

const it = suite('ingest/level-store');

const LOG = '7Q2M4K9ZT0V5XW8B';

function line(seq: number, over: { kind?: string; writer?: string; text?: string } = {}): IngestLine {
  const { kind = 'audit', writer = '0123456789ABCDEF', text = 'a' } = over;
  const id = `${writer}:${kind}:${seq}`;
  return { id, seq, gap: undefined, bytes: Buffer.from(JSON.stringify({ id, seq, kind, record: { text } })) };
}

function gap(from: number, to: number): IngestLine {
  const notice = { from, to, reason: 'age' as const, at: 1 };
  const id = `${LOG}:audit:gap:${from}-${to}`;
  return { id, seq: to, gap: notice, bytes: Buffer.from(JSON.stringify({ id, gap: notice })) };
}

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => line(from + index));

function batch(of: IngestLine[], over: Partial<IngestBatch> = {}): IngestBatch {
  return { kind: 'audit', logId: LOG, instance: 'main', service: 'gateway', lines: of, ...over };
}

async function withStore(use: (store: IngestStore, dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    await using store = await openLevelStore(dir);
    await use(store, dir);
  });
}

async function idsOf(store: IngestStore, kind = 'audit'): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.lines(kind)) ids.push(id);
  return ids;
}

async function rangesOf(store: IngestStore, kind = 'audit'): Promise<string> {
  const ranges: string[] = [];
  for await (const { from, to } of store.arrivals(kind)) ranges.push(`${from}-${to}`);
  return ranges.join(' ');
}

async function codeOf(work: Promise<unknown>, message: string | RegExp): Promise<string> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, WalError);
    const text = (error as WalError).message;
    assert.ok(typeof message === 'string' ? text.includes(message) : message.test(text), text);
    return (error as WalError).code;
  }
  return 'no error';
}

it('lines are stored byte for byte and come back in the order of their seqs', async () => {
  await withStore(async (store) => {
    const given = [...lines(98, 102), gap(103, 200), line(9), line(10)];
    assert.equal(await store.store(batch(given)), { accepted: 8, duplicates: 0, conflicts: [] });
    assert.is(await store.count('audit'), 8);
    const back: string[] = [];
    for await (const { line: bytes } of store.lines('audit')) back.push(bytes.toString());
    const sorted = [line(9), line(10), ...lines(98, 102), gap(103, 200)];
    assert.equal(
      back,
      sorted.map(({ bytes }) => bytes.toString()),
    );
  });
});

it('the same lines again are duplicates, also after a restart', async () => {
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    for (const [accepted, duplicates] of [
      [50, 0],
      [0, 50],
      [0, 50],
    ]) {
      await using store = await openLevelStore(dir);
      assert.equal(await store.store(batch(lines(1, 50))), { accepted, duplicates, conflicts: [] });
      assert.is(await store.count('audit'), 50);
    }
  });
});

it('another content under a stored id is a conflict, and what is stored stays', async () => {
  await withStore(async (store) => {
    await store.store(batch([line(1)]));
    const result = await store.store(batch([line(1, { text: 'b' }), line(2)]));
    assert.equal(result, { accepted: 1, duplicates: 0, conflicts: [line(1).id] });
    const stored: string[] = [];
    for await (const { line: bytes } of store.lines('audit')) stored.push(bytes.toString());
    assert.equal(
      stored,
      [line(1), line(2)].map(({ bytes }) => bytes.toString()),
    );
  });
});

it('an id twice in one batch is a duplicate, or a conflict with other bytes', async () => {
  await withStore(async (store) => {
    const result = await store.store(batch([line(1), line(1), line(1, { text: 'b' }), line(2)]));
    assert.equal(result, { accepted: 2, duplicates: 1, conflicts: [line(1).id] });
    assert.is(await store.count('audit'), 2);
  });
});

it('of many concurrent calls with the same lines one is accepted', async () => {
  await withStore(async (store) => {
    const results = await Promise.all(
      Array.from({ length: 20 }, () => store.store(batch(lines(1, 30), { logId: undefined }))),
    );
    assert.is(
      results.reduce((sum, { accepted }) => sum + accepted, 0),
      30,
    );
    assert.is(
      results.reduce((sum, { duplicates }) => sum + duplicates, 0),
      19 * 30,
    );
    assert.is(await store.count('audit'), 30);
  });
});

it('kinds are counted apart, and a seq may come again under another writer', async () => {
  await withStore(async (store) => {
    await store.store(batch(lines(1, 3)));
    await store.store(batch([line(1, { kind: 'log' })], { kind: 'log' }));
    await store.store(batch([line(3, { writer: 'ZZZZZZZZZZZZZZZZ' })]));
    assert.is(await store.count('audit'), 4);
    assert.is(await store.count('log'), 1);
    assert.is(await store.count('billing'), 0);
    assert.equal(await idsOf(store, 'log'), ['0123456789ABCDEF:log:1']);
  });
});

it('what has arrived of a log is one range once nothing is missing', async () => {
  await withStore(async (store) => {
    await store.store(batch(lines(1, 5)));
    assert.is(await rangesOf(store), '1-5');
    await store.store(batch(lines(9, 10)));
    assert.is(await rangesOf(store), '1-5 9-10');
    await store.store(batch([gap(6, 7)]));
    assert.is(await rangesOf(store), '1-7 9-10');
    await store.store(batch([line(8)]));
    assert.is(await rangesOf(store), '1-10');
    await store.store(batch(lines(1, 10)));
    assert.is(await rangesOf(store), '1-10');
  });
});

it('a conflict has not arrived, and a batch without a log is not followed', async () => {
  await withStore(async (store) => {
    await store.store(batch([line(1)], { logId: undefined }));
    assert.is(await rangesOf(store), '');
    await store.store(batch([line(1, { text: 'b' }), line(2)]));
    assert.is(await rangesOf(store), '2-2');
    await store.store(batch([line(1)]));
    assert.is(await rangesOf(store), '1-2');
  });
});

it('an arrival says who sent it last', async () => {
  await withStore(async (store) => {
    await store.store(batch([line(1)]));
    await store.store(batch([line(2)], { instance: 'blue', service: 'door' }));
    for await (const arrival of store.arrivals('audit')) {
      assert.equal(arrival, { logId: LOG, service: 'door', instance: 'blue', from: 1, to: 2 });
    }
  });
});

it('the ranges are those of a set, in whatever order and company seqs arrive', async () => {
  const seqs = fc.array(fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 8 }), {
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(seqs, async (batches) => {
      await withStore(async (store) => {
        const arrived = new Set(batches.flat());
        // All at once: some share a write.
        const results = await Promise.all(
          batches.map((numbers) => store.store(batch(numbers.map((seq) => line(seq))))),
        );
        assert.is(
          results.reduce((sum, { accepted }) => sum + accepted, 0),
          arrived.size,
        );
        assert.is(await store.count('audit'), arrived.size);
        const covered: number[] = [];
        let last = -1;
        for await (const { from, to } of store.arrivals('audit')) {
          assert.ok(from > last + 1, 'ranges touch');
          for (let seq = from; seq <= to; seq++) covered.push(seq);
          last = to;
        }
        assert.equal(
          covered,
          [...arrived].toSorted((a, b) => a - b),
        );
      });
    }),
    { numRuns: 25 },
  );
});

it('close settles what is under way, and later calls say that it is closed', async () => {
  await withStore(async (store, dir) => {
    const pending = Promise.all([store.store(batch(lines(1, 10))), store.store(batch(lines(11, 20)))]);
    await Promise.all([store.close(), store.close()]);
    assert.equal(
      (await pending).map(({ accepted }) => accepted),
      [10, 10],
    );
    assert.is(await codeOf(store.store(batch([line(1)])), dir), 'WAL_CLOSED');
    assert.is(await codeOf(store.count('audit'), dir), 'WAL_CLOSED');
    assert.is(await codeOf(idsOf(store), dir), 'WAL_CLOSED');
  });
});

it('the folder is made, for its owner alone', async () => {
  await withStore(async (_, dir) => {
    assert.is((await stat(dir)).mode & 0o777, 0o700);
    assert.ok((await readdir(dir)).includes('CURRENT'));
  });
});

it('a store that is open already is locked', async () => {
  await withStore(async (_, dir) => {
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_LOCKED');
  });
});

it('a folder that can not be is a configuration error that names it', async () => {
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'file'), 'x');
    for (const dir of [join(folder, 'file'), join(folder, 'no', 'store'), join(folder, 'file', 'store')]) {
      assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_CONFIG');
    }
  });
});

const rootWrites = process.getuid?.() === 0 && 'root may write anywhere';
skipIf(it, rootWrites)('a folder that is not writable is an I/O error that names it', async () => {
  await withFolder(async (folder) => {
    const dir = join(folder, 'store');
    await mkdir(dir, { mode: 0o500 });
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_IO');
    await chmod(folder, 0o500);
    assert.is(await codeOf(openLevelStore(join(folder, 'other')), 'other'), 'WAL_IO');
    await chmod(folder, 0o700);
  });
});

it('a database of something else is refused and left as it is', async () => {
  await withFolder(async (folder) => {
    const other = new Level(folder);
    await other.put('!meta!logId', 'x');
    await other.close();
    assert.is(await codeOf(openLevelStore(folder), folder), 'WAL_CONFIG');
    await other.open();
    assert.equal(await other.keys().all(), ['!meta!logId']);
    await other.close();
  });
});

/** Changes a stored value behind the store's back, as a bad disk would. */
async function damage(dir: string, key: string, change: (value: Buffer) => Buffer): Promise<void> {
  const db = new Level<string, Buffer>(dir, { valueEncoding: 'buffer' });
  const value = await db.get(key);
  assert.ok(value, `nothing under ${key}`);
  await db.put(key, change(Buffer.from(value)));
  await db.close();
}

const flipLastBit = (value: Buffer) => {
  value[value.length - 1]! ^= 1;
  return value;
};

it('a damaged line is noticed at reading, and healed when it is sent again', async () => {
  await withFolder(async (dir) => {
    const first = await openLevelStore(dir);
    await first.store(batch(lines(1, 3)));
    await first.close();
    await damage(dir, keys.line('audit', line(2).id), flipLastBit);

    await using store = await openLevelStore(dir);
    assert.is(await codeOf(idsOf(store), line(2).id.slice(0, 16)), 'WAL_CORRUPT');
    assert.equal(await store.store(batch(lines(1, 3))), { accepted: 0, duplicates: 3, conflicts: [] });
    assert.is((await idsOf(store)).length, 3);
    assert.is(await store.count('audit'), 3);
  });
});

it('a damaged count is counted again', async () => {
  await withFolder(async (dir) => {
    const first = await openLevelStore(dir);
    await first.store(batch(lines(1, 3)));
    await first.close();
    await damage(dir, keys.count('audit'), flipLastBit);

    await using store = await openLevelStore(dir);
    assert.is(await codeOf(store.count('audit'), dir), 'WAL_CORRUPT');
    await store.store(batch(lines(4, 5)));
    assert.is(await store.count('audit'), 5);
  });
});

it('a newer format is refused', async () => {
  await withFolder(async (dir) => {
    await (await openLevelStore(dir)).close();
    await damage(dir, keys.format, () => seal(keys.format, Buffer.from('2')));
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_FORMAT_TOO_NEW');
    await damage(dir, keys.format, flipLastBit);
    assert.is(await codeOf(openLevelStore(dir), dir), 'WAL_CORRUPT');
  });
});

it.run();
