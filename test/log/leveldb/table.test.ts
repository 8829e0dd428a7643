import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspect } from '../../../lib/log/leveldb/inspect.js';
import { layoutOf, mendTable, tableProblem } from '../../../lib/log/leveldb/table.js';
import { withFolder } from '../../helpers/folder.js';
import { numbers } from '../../helpers/log.js';
import {
  fileOf,
  flippedAt,
  keyOf,
  makeTables,
  open,
  randomRows,
  readNumbers,
  readRows,
  replace,
  valueOf,
  withDatabase,
} from './database.js';

const it = suite('log/leveldb/table');

const seed = Number(process.env['WAL_SEED'] ?? 20_261_124);
process.stdout.write(`log/leveldb/table: WAL_SEED=${seed}\n`);

const ROWS = { inTables: 250, inLog: 0 };
/** As LevelDB writes them, and as older versions let it. */
const BOTH = [true, false].map((packed) => ({ ...ROWS, packed }));
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;

async function withTables(use: (dir: string, packed: boolean) => Promise<void>): Promise<void> {
  for (const options of BOTH) {
    await withDatabase(options, async (dir) => await use(dir, options.packed));
  }
}

it('a table that LevelDB wrote is sound', async () => {
  await withTables(async (dir, packed) => {
    const { content } = await fileOf(dir, /\.ldb$/);
    assert.is(tableProblem(content), undefined);
    const sizes = layoutOf(content)!.data.map(({ size }) => size);
    assert.is(Math.max(...sizes) < 4096, packed, 'LevelDB begins a block where one has 4 KiB');
    const { data, filters } = layoutOf(content)!;
    assert.ok(data.length > 10);
    assert.is(filters.length, 1);
  });
});

it('with one bit flipped it is not, wherever that is but in the padding of its footer', async () => {
  await withTables(async (dir) => {
    const { content } = await fileOf(dir, /\.ldb$/);
    const footer = content.length - FOOTER_BYTES;
    const step = 37;
    const places = Array.from({ length: Math.floor(content.length / step) }, (_, n) => n * step);
    for (const at of [...places, ...Array.from({ length: 300 }, (_, n) => content.length - 1 - n)]) {
      const padding = at >= footer && at < content.length - 8 && content[at] === 0;
      if (!padding) assert.type(tableProblem(flippedAt(content, at)), 'string', `byte ${at}`);
    }
  });
});

/** What LevelDB does not find any more where a block is mended that was damaged at a place. */
async function lostBy(path: string, content: Buffer, at: number): Promise<number[]> {
  const mended = mendTable(flippedAt(content, at))!;
  assert.is(mended.length, content.length);
  assert.is(tableProblem(mended), undefined);
  await replace(path, mended);
  const { sound, changed } = await readNumbers(dirname(path));
  assert.is(changed, 0);
  const left = new Set(sound);
  return numbers(0, ROWS.inTables - 1).filter((n) => !left.has(n));
}

it('mended, LevelDB reads everything of it but one block, whichever it is', async () => {
  await withTables(async (dir) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const lost: number[] = [];
    for (const { offset } of layoutOf(content)!.data) {
      const rows = await lostBy(path, content, offset);
      assert.ok(rows.length > 0);
      lost.push(...rows);
    }
    assert.equal(lost, numbers(0, ROWS.inTables - 1), 'each of them with its own block');
  });
});

it('mended, it has lost that block and no more, wherever in it a bit is flipped', async () => {
  await withTables(async (dir) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const { offset, size } = layoutOf(content)!.data[4]!;
    const lost = await lostBy(path, content, offset);
    // The length of what is packed, what is packed, how it is stored, the checksum.
    for (const at of [1, 2, 3, size >> 2, size >> 1, size - 1, size, size + 1, size + 4]) {
      assert.equal(await lostBy(path, content, offset + at), lost, `byte ${at} of ${size}`);
    }
  });
});

it('a damaged filter, index or footer costs nothing', async () => {
  await withTables(async (dir, packed) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const { filters, metaindex } = layoutOf(content)!;
    const index = metaindex.offset + metaindex.size + TRAILER_BYTES;
    assert.is(content[content.length - FOOTER_BYTES - TRAILER_BYTES], packed ? 1 : 0, 'so is the index');
    const footer = content.length - FOOTER_BYTES;
    const places = [
      filters[0]!.offset + 3,
      metaindex.offset,
      index,
      index + 50,
      footer,
      footer + 1,
      footer + 4,
    ];
    for (const at of [...places, content.length - 1]) {
      const mended = mendTable(flippedAt(content, at))!;
      assert.is(mended.length, content.length, `byte ${at}`);
      await replace(path, mended);
      assert.is((await readNumbers(dir)).sound.length, ROWS.inTables, `byte ${at}`);
    }
  });
});

it('of a table that was cut, the whole blocks are left; of one without any, nothing', async () => {
  await withTables(async (dir) => {
    const { content } = await fileOf(dir, /\.ldb$/);
    const { data } = layoutOf(content)!;
    const { offset } = data[5]!;
    const cut = mendTable(content.subarray(0, offset + 10))!;
    assert.is(tableProblem(cut), undefined);
    assert.equal(layoutOf(cut)!.data, data.slice(0, 5));
    assert.is(mendTable(content.subarray(0, 100)), undefined);
    assert.is(mendTable(Buffer.alloc(0)), undefined);
    assert.is(mendTable(Buffer.alloc(5000, 3)), undefined);
  });
});

it('a table of anything, found again without its index, is what LevelDB wrote, and fits its MANIFEST', async () => {
  for (const packed of [true, false]) {
    await withFolder(async (folder) => {
      const dir = join(folder, 'db');
      const rows = randomRows(seed);
      await makeTables(dir, rows, packed);
      for (const name of (await readdir(dir)).filter((each) => each.endsWith('.ldb'))) {
        const path = join(dir, name);
        const content = await readFile(path);
        const mended = mendTable(flippedAt(content, content.length - 1))!;
        assert.is(mended.length, content.length);
        assert.equal(layoutOf(mended)!.data, layoutOf(content)!.data);
        await replace(path, mended);
      }
      assert.is((await inspect(dir, Infinity)).is, 'sound');
      assert.equal(await readRows(dir), rows);
    });
  }
});

it('a table that was mended is mended again', async () => {
  await withTables(async (dir) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const once = mendTable(flippedAt(content, content.length - 1))!;
    const { data } = layoutOf(once)!;
    await replace(path, once);
    const last = data.at(-1)!.offset;
    const lost = await lostBy(path, once, last);
    await replace(path, mendTable(flippedAt(flippedAt(once, last), once.length - 2))!);
    assert.equal((await readNumbers(dir)).sound, numbers(0, ROWS.inTables - 1 - lost.length));
  });
});

it('a database of plain tables goes on with packed ones beside them', async () => {
  await withDatabase({ ...ROWS, packed: false }, async (dir) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const more = numbers(ROWS.inTables, ROWS.inTables + 99);
    await open(dir, false, async (store) => {
      await store.commit(new Map(more.map((n) => [keyOf(n), valueOf(n)])));
      // A range without the old table, which stays as it is.
      await store.compact({ gte: keyOf(more[0]!), lt: '~' });
    });
    assert.equal(await readFile(path), content);
    assert.is((await inspect(dir, Infinity)).is, 'sound');
    assert.equal((await readNumbers(dir)).sound, [...numbers(0, ROWS.inTables - 1), ...more]);
    await open(dir, false, async (store) => await store.compact({ gte: '!', lt: '~' }));
    assert.is((await inspect(dir, Infinity)).is, 'sound');
    assert.equal((await readNumbers(dir)).sound, [...numbers(0, ROWS.inTables - 1), ...more]);
  });
});

it.run();
