import { chown, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalStats } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import { skipIf } from '../helpers/skip.js';
import { appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/stats');

it('--json prints the stats as the library has them; otherwise a plain table with units', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 1200),
    async ({ at, dir }) => {
      const { code, stdout } = await nvWal(['stats', ...at, '--json']);
      assert.is(code, 0);
      const stats = JSON.parse(stdout) as WalStats;
      const wal = await Wal.openFolder(dir);
      // What is new at every open, and the size of what LevelDB writes then.
      const { writerId, diskBytes } = stats;
      assert.equal(stats, { ...wal.stats(), writerId, diskBytes });
      await wal.close();

      const human = await nvWal(['stats', '--dir', dir]);
      const lines = human.stdout.split('\n');
      assert.match(
        lines[0]!,
        new RegExp(`^gateway/main, log ${stats.logId}, [\\d.]+ [KM]?B on disk in ${dir}$`),
      );
      assert.match(
        lines.find((line) => line.startsWith('audit'))!,
        /^audit +default +1,200 +[\d.]+ KB .* 1,200 +[\d.]+ KB$/,
      );
      assert.not.match(human.stdout, '\u001B');
      assert.equal(human.stderr, []);
    },
  );
});

it('a log that a process holds is asked of it; where it serves no socket, it is refused, and the process named', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 3),
    async ({ at, dir }) => {
      await using wal = await Wal.openFolder(dir);
      const live = await nvWal(['stats', ...at, '--json']);
      assert.equal([live.code, live.stderr], [0, []]);
      assert.equal(JSON.parse(live.stdout), JSON.parse(JSON.stringify(wal.stats())));

      await rm(join(dir, 'control.sock'));
      const { code, stderr } = await nvWal(['stats', ...at]);
      assert.is(code, 1);
      assert.equal(stderr.length, 1);
      assert.match(stderr[0]!, new RegExp(`held by process ${process.pid}; .*\\(WAL_LOCKED\\)$`));
    },
  );
});

skipIf(it, process.getuid?.() !== 0 && 'needs root, to give a folder away')(
  "another user's log is refused, also for root: the files that an open makes must be its owner's",
  async () => {
    await withLog(
      async () => {},
      async ({ at, dir }) => {
        await chown(dir, 12_345, 12_345);
        const { code, stderr } = await nvWal(['stats', ...at]);
        assert.is(code, 1);
        assert.match(stderr[0]!, `${dir} belongs to the user with id 12345; run this as that user`);
      },
    );
  },
);

it.run();
