import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReadItem } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import { skipIf } from '../helpers/skip.js';
import { appendNumbers, nvWal, whileRunning, withLog } from './nv-wal.js';
import { noTerminal, onTerminal } from './terminal.js';

const it = suite('cli/tail');

it('prints the last ten of each stream, or as many as --lines says', async () => {
  await withLog(
    async (wal) => {
      await appendNumbers(wal, 'audit', 12);
      await appendNumbers(wal, 'log', 2);
    },
    async ({ at }) => {
      const { code, stdout, stderr } = await nvWal(['tail', ...at]);
      assert.equal([code, stderr], [0, []]);
      assert.equal(seqsIn(stdout, 'audit'), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      assert.equal(seqsIn(stdout, 'log'), [1, 2]);
      const one = await nvWal(['tail', ...at, '--lines', '1', '--kind', 'audit', '--json']);
      assert.equal(seqsIn(one.stdout, 'audit'), [12]);
    },
  );
});

it('of a log that nobody holds, nothing is to be followed', async () => {
  await withLog(
    async () => {},
    async ({ at }) => {
      const { code, stdout, stderr } = await nvWal(['tail', '-f', ...at]);
      assert.equal([code, stdout, stderr.length], [2, '', 1]);
      assert.match(stderr[0]!, 'no process holds this log');
    },
  );
});

it('-f prints what comes until SIGINT, or until the log closes; both are a good end', async () => {
  await withLog(
    async () => {},
    async ({ at, dir }) => {
      const wal = await Wal.openFolder(dir);
      await whileRunning(['tail', '-f', ...at, '--kind', 'log'], {}, async (running) => {
        await wal.append('audit', { n: 0 });
        await wal.append('log', { n: 1 });
        await running.printed(/"record":\{"n":1\}/);
        await wal.append('log', { n: 2 });
        await running.printed(/"record":\{"n":2\}/);
        running.process.kill('SIGINT');
        assert.equal(await running.ended, { code: 0, stdout: running.stdout, stderr: [] });
        assert.equal(seqsIn(running.stdout, 'log'), [1, 2]);
      });
      await whileRunning(['tail', '-f', ...at, '--lines', '1', '--kind', 'log'], {}, async (running) => {
        await running.printed(/"n":2/);
        await wal.append('log', { n: 3 });
        await wal.close();
        const { code, stdout, stderr } = await running.ended;
        assert.equal([code, stderr], [0, ['nv-wal: the process has closed its log']]);
        assert.equal(seqsIn(stdout, 'log'), [2, 3]);
      });
    },
  );
});

skipIf(it, noTerminal)(
  'on a terminal, lines are for people, with colours unless NO_COLOR is set',
  async () => {
    await withLog(
      async (wal) => {
        await wal.append('log', { ts: 0, level: 'error', msg: 'it broke', n: 1 });
      },
      async ({ at }) => {
        const coloured = await onTerminal(['tail', ...at]);
        assert.match(coloured, '\u001B[31merror\u001B[39m it broke');
        const line = '1970-01-01T00:00:00.000Z log 1 error it broke n=1\n';
        assert.is(await onTerminal(['dump', ...at], { env: { NO_COLOR: '1' } }), line);
        // Nor has what turns while it works.
        const worked = await onTerminal(['verify', ...at], { env: { NO_COLOR: '1' } });
        assert.ok(worked.endsWith('ok: 1 record\n') && !/\[\d+m/.test(worked), worked);
        assert.match(await onTerminal(['dump', ...at, '--json']), /^\{"id":.*"msg":"it broke"/);
      },
    );
  },
);

it.run();

function seqsIn(stdout: string, kind: string): number[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ReadItem)
    .filter((item) => item.kind === kind)
    .map(({ seq }) => seq);
}
