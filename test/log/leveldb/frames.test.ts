import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mendFrames, readFrames, writeFrames } from '../../../lib/log/leveldb/frames.js';
import { fileOf, flippedAt, readNumbers, replace, withDatabase } from './database.js';

const it = suite('log/leveldb/frames');

/** Enough for two blocks. */
const OPTIONS = { inTables: 0, inLog: 130 };

it('reads every record that LevelDB wrote', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { content } = await fileOf(dir, /\.log$/);
    assert.ok(content.length > 32_768);
    const { records, damaged } = readFrames(content);
    assert.is(records.length, OPTIONS.inLog);
    assert.equal(damaged, []);
  });
});

it('finds a flipped bit but where a crash may have cut off as much: in the last frame, or a length in the last block', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { content } = await fileOf(dir, /\.log$/);
    const whole = readFrames(content).records;
    for (let at = 0; at < content.length; at += 61) {
      const { records, damaged } = readFrames(flippedAt(content, at));
      if (damaged.length === 0) {
        assert.ok(at > 32_768 && records.length < OPTIONS.inLog, `byte ${at}`);
        assert.equal(records, whole.slice(0, records.length), `byte ${at}`);
      } else assert.ok(damaged[0]!.start <= at && damaged.at(-1)!.end > at, `byte ${at}`);
    }
  });
});

it('takes no cut for damage: what is left is how a crash would have left it', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { content } = await fileOf(dir, /\.log$/);
    for (let length = 0; length < content.length; length += 997) {
      const { records, damaged } = readFrames(content.subarray(0, length));
      assert.equal(damaged, []);
      assert.ok(records.length < OPTIONS.inLog);
    }
  });
});

it('mended, LevelDB loses one record to a flipped bit, where it would lose the rest of the block', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { path, content } = await fileOf(dir, /\.log$/);
    // In the content of the third frame.
    const damaged = flippedAt(content, 1200);
    await replace(path, mendFrames(damaged, readFrames(damaged).damaged));
    const { sound, changed } = await readNumbers(dir);
    assert.is(sound.length, OPTIONS.inLog - 1);
    assert.is(changed, 0);
  });
});

it('a mended file is sound but for what was damaged', async () => {
  await withDatabase(OPTIONS, async (dir) => {
    const { content } = await fileOf(dir, /\.log$/);
    for (let at = 4; at < 32_000; at += 1013) {
      const damaged = flippedAt(content, at);
      const { records } = readFrames(damaged);
      const mended = mendFrames(damaged, readFrames(damaged).damaged);
      assert.is(mended.length, content.length);
      assert.equal(readFrames(mended).damaged, []);
      assert.equal(readFrames(mended).records, records);
    }
  });
});

it('writes a record of any length so that it is read again', () => {
  for (const length of [0, 1, 32_761, 32_762, 70_000, 98_283]) {
    const record = Buffer.alloc(length, length % 251);
    const file = writeFrames(record);
    assert.equal(readFrames(file), { records: [record], damaged: [], end: file.length }, String(length));
  }
});

it.run();
