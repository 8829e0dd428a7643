import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { layoutOf, mendTable, tableProblem } from '../../../lib/log/leveldb/table.js';
import { fileOf, flippedAt, readNumbers, replace, withDatabase } from './database.js';

const it = suite('log/leveldb/table');

const OPTIONS = { inTables: 400, inLog: 0 };
const FOOTER_BYTES = 48;

it('a table that LevelDB wrote is sound', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { content } = await fileOf(dir, /\.ldb$/);
    assert.is(tableProblem(content), undefined);
    const { data, filters } = layoutOf(content)!;
    assert.ok(data.length > 10);
    assert.is(filters.length, 1);
  });
});

it('with one bit flipped it is not, wherever that is but in the padding of its footer', async () => {
  await withDatabase(OPTIONS, async (dir) => {
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

it('mended it has the same size and is sound, and LevelDB reads all but one block', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const { data } = layoutOf(content)!;
    for (const { offset, size } of [data[0]!, data[4]!, data.at(-1)!]) {
      for (const at of [offset, offset + 1, offset + (size >> 1), offset + size, offset + size + 4]) {
        const mended = mendTable(flippedAt(content, at))!;
        assert.is(mended.length, content.length);
        assert.is(tableProblem(mended), undefined);
        await replace(path, mended);
        const { sound, changed } = await readNumbers(dir);
        assert.is(changed, 0);
        assert.ok(sound.length >= 360 && sound.length < 400, `${sound.length} are left, byte ${at}`);
      }
    }
  });
});

it('a damaged filter, index or footer costs nothing', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { path, content } = await fileOf(dir, /\.ldb$/);
    const { filters, metaindex } = layoutOf(content)!;
    const index = metaindex.offset + metaindex.size + 5;
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
      assert.is((await readNumbers(dir)).sound.length, 400, `byte ${at}`);
    }
  });
});

it('of a table that was cut, the whole blocks are left; of one without any, nothing', async () => {
  await withDatabase(OPTIONS, async (dir) => {
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

it.run();
