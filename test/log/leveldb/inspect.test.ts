import { copyFile, mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspect } from '../../../lib/log/leveldb/inspect.js';
import { copyMended } from '../../../lib/log/leveldb/mend.js';
import { isCorruption } from '../../../lib/log/store.js';
import { withFolder } from '../../helpers/folder.js';
import { rejection } from '../../helpers/rejection.js';
import { fileOf, flippedAt, open, readNumbers, replace, withDatabase } from './database.js';

const it = suite('log/leveldb/inspect');

/** A checksum and the length 9, which reached the disk, and the type and the content, which did not: a sector ends between them. */
const HALF_A_FRAME = Buffer.concat([Buffer.from('86a19ea90900', 'hex'), Buffer.alloc(10)]);

async function withCopies(use: (copy: () => Promise<string>) => Promise<void>): Promise<void> {
  await withDatabase({}, async (dir) => {
    let copies = 0;
    await use(async () => {
      const to = `${dir}-${++copies}`;
      await mkdir(to);
      for (const name of await readdir(dir)) {
        if (name !== 'LOCK') await copyFile(join(dir, name), join(to, name));
      }
      return to;
    });
  });
}

it('an empty folder, and one in which making a database was interrupted, hold none', async () => {
  await withFolder(async (dir) => {
    assert.is((await inspect(dir, Infinity)).is, 'absent');
    await open(dir, true, async () => {});
    await rm(join(dir, 'CURRENT'));
    for (const name of await readdir(dir)) if (name.endsWith('.log')) await rm(join(dir, name));
    assert.is((await inspect(dir, Infinity)).is, 'absent');
  });
});

it('a database is sound, open or closed, new or not', async () => {
  await withDatabase({}, async (dir) => {
    assert.is((await inspect(dir, Infinity)).is, 'sound');
    await open(dir, false, async () => assert.is((await inspect(dir, Infinity)).is, 'sound'));
  });
  await withFolder(async (dir) => {
    await open(dir, true, async () => {});
    assert.is((await inspect(dir, Infinity)).is, 'sound');
  });
});

it('says what does not fit together', async () => {
  await withCopies(async (copy) => {
    const damages: [says: RegExp, misfit: boolean, damage: (dir: string) => Promise<void>][] = [
      [/CURRENT/, true, (dir) => rm(join(dir, 'CURRENT'))],
      [/CURRENT/, true, async (dir) => rm((await fileOf(dir, /^MANIFEST/)).path)],
      [/CURRENT/, true, async (dir) => truncate((await fileOf(dir, /^MANIFEST/)).path, 30)],
      [/^the log \d+ is missing/, true, async (dir) => rm((await fileOf(dir, /\.log$/)).path)],
      [/^the table \d+ is missing/, true, async (dir) => rm((await fileOf(dir, /\.ldb$/)).path)],
      [/has 100 bytes instead of/, true, async (dir) => truncate((await fileOf(dir, /\.ldb$/)).path, 100)],
      [
        /\.log is damaged at 0/,
        false,
        async (dir) => {
          const { path, content } = await fileOf(dir, /\.log$/);
          await replace(path, flippedAt(content, 20));
        },
      ],
      [
        /\.ldb: 1 of its blocks/,
        false,
        async (dir) => {
          const { path, content } = await fileOf(dir, /\.ldb$/);
          await replace(path, flippedAt(content, 20));
        },
      ],
    ];
    for (const [says, misfit, damage] of damages) {
      const dir = await copy();
      await damage(dir);
      const condition = await inspect(dir, Infinity);
      assert.ok(condition.is === 'damaged', String(says));
      assert.is(condition.misfit, misfit, String(says));
      assert.match(condition.problems[0]!, says);
    }
  });
});

it('a table that no MANIFEST knows is nothing to look at: a crash leaves half of one', async () => {
  await withCopies(async (copy) => {
    const dir = await copy();
    await replace(join(dir, '900000.ldb'), Buffer.alloc(5000));
    assert.is((await inspect(dir, Infinity)).is, 'sound');
    assert.ok(await copyMended(dir, `${dir}-mended`, false));
    assert.not((await readdir(`${dir}-mended`)).includes('900000.ldb'));
  });
});

it('tables are read only up to a size', async () => {
  await withCopies(async (copy) => {
    const dir = await copy();
    const { path, content } = await fileOf(dir, /\.ldb$/);
    await replace(path, flippedAt(content, 20));
    assert.is((await inspect(dir, content.length - 1)).is, 'sound');
    assert.is((await inspect(dir, content.length)).is, 'damaged');
  });
});

it('a mended copy is sound, and takes no room but for what was mended', async () => {
  await withCopies(async (copy) => {
    const dir = await copy();
    const { path, content } = await fileOf(dir, /\.ldb$/);
    await replace(path, flippedAt(content, 20));
    const mended = `${dir}-mended`;
    assert.ok(await copyMended(dir, mended, false));
    assert.is((await inspect(mended, Infinity)).is, 'sound');
    assert.ok((await readNumbers(mended)).sound.length > 350);
    await replace(path, content.subarray(0, 30_000));
    const cut = await inspect(dir, Infinity);
    assert.ok(cut.is === 'damaged' && cut.misfit, 'the MANIFEST does not fit it any more');
    await copyMended(dir, `${dir}-cut`, cut.misfit);
    assert.ok((await readdir(`${dir}-cut`)).includes(basename(path)));
  });
});

it('a MANIFEST whose last write reached the disk in part is refused by LevelDB, and mended without it', async () => {
  await withDatabase({}, async (dir) => {
    const numbers = await readNumbers(dir);
    const { path, content } = await fileOf(dir, /^MANIFEST/);
    await writeFile(path, Buffer.concat([content, HALF_A_FRAME]));
    assert.ok(isCorruption(await rejection(open(dir, false, async () => {}))));
    assert.is((await inspect(dir, Infinity)).is, 'sound');
    assert.ok(await copyMended(dir, `${dir}-mended`, false));
    assert.equal(await readNumbers(`${dir}-mended`), numbers);
  });
});

it.run();
