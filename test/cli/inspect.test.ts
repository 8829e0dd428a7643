import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal } from '../../lib/index.js';
import { appendNumbers, nvWal, whileRunning, withLog } from './nv-wal.js';

const it = suite('cli/inspect');

it('--json prints where the page is; the log stays free for its service, and the page sees it start', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'log', 3),
    async ({ at, varDir }) => {
      await whileRunning(['inspect', ...at, '--json'], {}, async (running) => {
        const [line] = await running.printed(/^\{.*\}\n/);
        const { url } = JSON.parse(line) as { url: string };
        const isOf = async () => ((await (await fetch(new URL('report', url))).json()) as { is: string }).is;
        assert.match(await (await fetch(url)).text(), /<title>nv-wal<\/title>/);
        assert.is((await fetch(new URL('uPlot.js', url))).status, 200);
        assert.is(await isOf(), 'offline');
        await using wal = await Wal.open({ service: 'gateway', varDir, reserveBytes: 0, adopt: false });
        assert.is(await isOf(), 'live');
        await wal.close();
        running.process.kill('SIGTERM');
        assert.is((await running.ended).code, 0);
      });
    },
  );
});

it('where no log is, it says so and ends', async () => {
  const { code, stderr } = await nvWal(['inspect', '--dir', '/nowhere']);
  assert.is(code, 1);
  assert.is(stderr.length, 1);
  assert.is((await nvWal(['inspect', '--dir', '/nowhere', '--port', 'x'])).code, 2);
});

it.run();
