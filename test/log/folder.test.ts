import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalOptions } from '../../lib/config.js';
import { diskBytes, logFolder, makeFolder } from '../../lib/log/folder.js';
import { Wal } from '../../lib/wal.js';
import { withFolder } from '../helpers/folder.js';
import { rejectsWith } from '../helpers/rejection.js';
import { skipIf } from '../helpers/skip.js';
import { withWal } from '../helpers/wal.js';

const it = suite('log/folder');

function open(varDir: string, options: Partial<WalOptions> = {}): Promise<Wal> {
  return Wal.open({ service: 'test', varDir, reserveBytes: 0, adopt: false, ...options });
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

it('the log is below nv-wal, service and instance, in folders that nobody else can enter', async () => {
  await withWal({ service: 'gateway', instance: 'two' }, async (wal, { varDir }) => {
    assert.is(wal.dir, join(varDir, 'nv-wal', 'gateway', 'two'));
    for (const path of [wal.dir, join(wal.dir, '..'), join(wal.dir, '..', '..')]) {
      assert.is(await modeOf(path), '700', path);
    }
    assert.is(await modeOf(join(wal.dir, 'owner.json')), '600');
  });
});

it('a VAR_DIR that is not there is WAL_CONFIG, and is not made', async () => {
  await withFolder(async (folder) => {
    const varDir = join(folder, 'not', 'mounted');
    await rejectsWith(open(varDir), 'WAL_CONFIG', varDir, 'does not exist');
    assert.equal(await readdir(folder), []);
  });
});

it('a VAR_DIR that is a file is WAL_CONFIG', async () => {
  await withFolder(async (folder) => {
    const varDir = join(folder, 'file');
    await writeFile(varDir, '');
    await rejectsWith(open(varDir), 'WAL_CONFIG', varDir, 'not a folder');
    await rejectsWith(open(join(varDir, 'below')), 'WAL_CONFIG', varDir);
  });
});

const isRoot = process.getuid?.() === 0;

skipIf(it, isRoot && 'root may write anywhere: run as another user')(
  'a VAR_DIR that may not be written to is WAL_CONFIG',
  async () => {
    await withFolder(async (varDir) => {
      await chmod(varDir, 0o500);
      await rejectsWith(open(varDir), 'WAL_CONFIG', varDir, 'not writable');
      await chmod(varDir, 0o700);
    });
  },
);

skipIf(it, process.platform !== 'linux' && 'needs a /proc')(
  'a VAR_DIR in which nothing can be made is refused by its path, also for root',
  async () => {
    const error = await open('/proc').then(
      () => assert.unreachable('it was opened'),
      (refused: unknown) => refused,
    );
    assert.match(String(error), '/proc');
    assert.ok(['WAL_CONFIG', 'WAL_IO'].includes((error as { code: string }).code), String(error));
  },
);

it('a file that stands where the log should be is WAL_IO, by its path', async () => {
  await withFolder(async (varDir) => {
    const path = join(varDir, 'nv-wal');
    await writeFile(path, '');
    await rejectsWith(open(varDir), 'WAL_IO', path);
  });
});

it('folders that are there already are taken as they are', async () => {
  await withFolder(async (varDir) => {
    const dir = logFolder(varDir, 'test', 'main');
    await mkdir(dir, { recursive: true, mode: 0o755 });
    await makeFolder(varDir, dir);
    assert.is(await modeOf(dir), '755');
    await (await open(varDir)).close();
  });
});

it('a VAR_DIR may be written in other ways', async () => {
  await withFolder(async (folder) => {
    const varDir = join(folder, 'var');
    await mkdir(varDir);
    for (const written of [`${varDir}/`, `${folder}/./var`, `${folder}/var/../var//`]) {
      const wal = await open(written);
      assert.is(wal.dir, logFolder(varDir, 'test', 'main'));
      await wal.close();
    }
  });
});

it('the log of another service does not stand in the way of a new one', async () => {
  await withFolder(async (varDir) => {
    const [one, two] = await Promise.all([
      open(varDir, { service: 'one' }),
      open(varDir, { service: 'two' }),
    ]);
    assert.is.not(one.stats().logId, two.stats().logId);
    await Promise.all([one.close(), two.close()]);
  });
});

it('no log is made by a tool that looks for one', async () => {
  await withFolder(async (folder) => {
    await rejectsWith(Wal.openFolder(folder), 'WAL_CONFIG', `no log in ${folder}`);
    assert.equal(await readdir(folder), []);
  });
});

it('bytes of a folder are those of its files, at any depth', async () => {
  await withFolder(async (folder) => {
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await writeFile(join(folder, 'one'), Buffer.alloc(10));
    await writeFile(join(folder, 'a', 'b', 'two'), Buffer.alloc(32));
    assert.is(await diskBytes(folder), 42);
  });
});

it.run();
