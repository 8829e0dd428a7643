import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalStats } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import { skipIf } from '../helpers/skip.js';
import { appendNumbers, nvWal, whileRunning, withLog } from './nv-wal.js';
import { noTerminal, onTerminal } from './terminal.js';

const it = suite('cli/watch');

const fill = (wal: Parameters<typeof appendNumbers>[0]) => appendNumbers(wal, 'audit', 1);

it('says when the service goes away, leaves it its log, goes on when it is back, and ends well at SIGINT', async () => {
  await withLog(fill, async ({ at, dir }) => {
    const watch = ['stats', ...at, '--watch', '--interval', '50ms', '--json'];
    let wal = await Wal.openFolder(dir);
    await whileRunning(watch, {}, async (running) => {
      await running.printed(/"lastSeq":1,/);
      await wal.append('audit', { n: 2 });
      await running.printed(/"lastSeq":2,/);
      await wal.close();
      await running.printed(/no process holds the log/);
      wal = await Wal.openFolder(dir);
      await running.printed(/holds the log in .* again/);
      await wal.append('audit', { n: 3 });
      await running.printed(/"lastSeq":3,/);
      running.process.kill('SIGINT');
      const { code, stdout, stderr } = await running.ended;
      assert.equal([code, stderr.length], [0, 2]);
      const lines = stdout.trimEnd().split('\n');
      const seen = lines.map((line) => JSON.parse(line) as WalStats & { at: number });
      assert.ok(seen.every((stats) => stats.at > 0 && stats.dir === dir));
    });
    await wal.close();
  });
});

it('of a log that nobody holds, it shows how it stands, and waits', async () => {
  await withLog(fill, async ({ at }) => {
    await whileRunning(['stats', ...at, '--watch', '--interval', '50ms'], {}, async (running) => {
      await running.printed(/no process holds the log/);
      assert.match(running.stdout, /^\d{4}-.*Z\ngateway\/main, log /);
      assert.not.match(running.stdout, '\u001B');
      running.process.kill('SIGINT');
      assert.is((await running.ended).code, 0);
    });
    const stray = await nvWal(['stats', ...at, '--interval', '1s']);
    assert.equal([stray.code, stray.stderr], [2, ['nv-wal: --interval goes with --watch']]);
  });
});

skipIf(it, noTerminal)('on a terminal it draws in place, and says there that it waits', async () => {
  await withLog(fill, async ({ at }) => {
    const watch = ['stats', ...at, '--watch', '--interval', '50ms'];
    const printed = await onTerminal(watch, { interruptAt: /no process holds the log/ });
    const frames = printed.split('\u001B[1;1H\u001B[0J');
    assert.is(frames.length, 3);
    assert.match(frames[1]!, /audit +default +1 /);
    assert.match(frames[2]!, /audit +default +1 [\s\S]*\n\nno process holds the log/);
  });
});

it.run();
