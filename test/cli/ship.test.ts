import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closedPort } from '../helpers/destination.js';
import { withReceiver } from '../helpers/receiver.js';
import { until } from '../helpers/until.js';
import { TOKEN_ENV, appendNumbers, nvWal, start, withLog } from './nv-wal.js';

const it = suite('cli/ship');

it('--once waits for a receiver that comes up late, says so once, and ends when nothing is left', async () => {
  await withReceiver({}, async (receiver) => {
    await withLog(
      async (wal) => {
        await appendNumbers(wal, 'audit', 2500);
        await appendNumbers(wal, 'log', 10);
      },
      async ({ at }) => {
        await receiver.stop();
        const env = { ...TOKEN_ENV, WAL_BASE_URL: receiver.url };
        const running = start(['ship', ...at, '--once', '--json'], { env });
        await running.printed(/nv-wal: waiting: .*can't be reached/);
        await receiver.start();
        const { code, stdout, stderr } = await running.ended;
        assert.is(code, 0, stderr.join('\n'));
        assert.equal(JSON.parse(stdout), { delivered: 2510, quarantined: 0, backlog: 0 });
        assert.is(await receiver.store.count('audit'), 2500);
        assert.equal(stderr.slice(1), [`nv-wal: ${receiver.url} takes records again`]);
      },
    );
  });
});

it('a receiver that is not there is told of once; what is left when the time is up is exit code 1', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 3),
    async ({ at }) => {
      const env = { ...TOKEN_ENV, WAL_BASE_URL: `http://127.0.0.1:${await closedPort()}` };
      const { code, stdout, stderr } = await nvWal(['ship', ...at, '--once', '--timeout', '1500ms'], { env });
      assert.is(code, 1);
      assert.is(stdout, 'delivered 0 records, quarantined 0; backlog 3\n');
      assert.is(stderr.length, 2);
      assert.match(stderr[0]!, /^nv-wal: waiting: http:.*ECONNREFUSED/);
      assert.is(stderr[1], 'nv-wal: a backlog of 3 records is left');
    },
  );
});

it('without --once it runs until it is told to end, and that is no failure', async () => {
  await withReceiver({}, async (receiver) => {
    await withLog(
      (wal) => appendNumbers(wal, 'audit', 3),
      async ({ dir }) => {
        const env = { ...TOKEN_ENV, WAL_BASE_URL: receiver.url };
        const running = start(['ship', '--dir', dir, '--json'], { env });
        await until(() => receiver.requests.length > 0);
        running.process.kill('SIGTERM');
        const { code, stdout, stderr } = await running.ended;
        assert.equal([code, stderr], [0, []]);
        // The signal may have come before the receiver's answer; then the records wait for the next time.
        const { delivered, backlog } = JSON.parse(stdout) as Record<string, number>;
        assert.is(delivered! + backlog!, 3);
      },
    );
  });
});

it('without a sink it says what is missing', async () => {
  await withLog(
    async () => {},
    async ({ at }) => {
      const { code, stderr } = await nvWal(['ship', ...at]);
      assert.equal([code, stderr], [2, ['nv-wal: WAL_BASE_URL is missing: where should the records go?']]);
    },
  );
});

it.run();
