import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLevelStore, openPostgresStore } from '../../lib/ingest/index.js';
import { withFolder } from '../helpers/folder.js';
import { PASSWORD, postgresMissing, startPostgres } from '../helpers/postgres.js';
import { skipIf } from '../helpers/skip.js';
import { MAIN, TOKEN_ENV, appendNumbers, nvWal, whileRunning, withLog } from './nv-wal.js';

const it = suite('cli/serve');
const SIGNED_ENV = { ...TOKEN_ENV, WAL_SIGNING_SECRET: 'a signing secret of the tests, 32 bytes' };

it('says where it listens, takes what is signed and has a token, and ends cleanly on SIGTERM', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 100),
    async ({ at, varDir }) => {
      await whileRunning(
        ['serve', '--json'],
        { env: { ...SIGNED_ENV, VAR_DIR: varDir } },
        async (serving) => {
          const [line] = await serving.printed(/^\{.*\}$/m);
          const { url } = JSON.parse(line) as { url: string };
          const refused = await fetch(`${url}/api/audit/v1/ingest`, { method: 'POST', body: '{}' });
          assert.is(refused.status, 401);
          const unsigned = await nvWal(['ship', ...at, '--once', '--timeout', '1s'], {
            env: { ...TOKEN_ENV, WAL_BASE_URL: url },
          });
          assert.match(unsigned.stderr[0]!, 'answered 401');
          const shipped = await nvWal(['ship', ...at, '--once'], {
            env: { ...SIGNED_ENV, WAL_BASE_URL: url },
          });
          assert.equal([shipped.code, shipped.stderr], [0, []]);
          serving.process.kill('SIGTERM');
          const { code, stderr } = await serving.ended;
          assert.equal([code, stderr], [0, []]);
        },
      );
      await using store = await openLevelStore(join(varDir, 'nv-wal-ingest'));
      assert.is(await store.count('audit'), 100);
    },
  );
});

skipIf(it, postgresMissing)('keeps what comes in PostgreSQL, and never shows a password', async () => {
  const server = await startPostgres();
  try {
    const serve = ['serve', '--json', '--store'];
    const refused = await nvWal([...serve, server.url.replace(PASSWORD, `${PASSWORD}!`)], { env: TOKEN_ENV });
    assert.is(refused.code, 2);
    assert.match(refused.stderr.join('\n'), /^nv-wal: the store postgres:.*password authentication failed/);
    assert.not.match(refused.stderr.join('\n') + refused.stdout, PASSWORD);
    await withLog(
      (wal) => appendNumbers(wal, 'audit', 100),
      async ({ at }) => {
        const env = { ...TOKEN_ENV, PGPASSWORD: PASSWORD };
        await whileRunning([...serve, server.urlWithoutPassword], { env }, async (serving) => {
          const [line] = await serving.printed(/^\{.*\}$/m);
          const { url } = JSON.parse(line) as { url: string };
          const shipped = await nvWal(['ship', ...at, '--once'], {
            env: { ...TOKEN_ENV, WAL_BASE_URL: url },
          });
          assert.equal([shipped.code, shipped.stderr], [0, []]);
          serving.process.kill('SIGTERM');
          const { code, stderr } = await serving.ended;
          assert.equal([code, stderr], [0, []]);
        });
      },
    );
    await using store = await openPostgresStore(server.url);
    assert.is(await store.count('audit'), 100);
  } finally {
    await server.stop();
  }
});

it('ends with the process that forked it', async () => {
  await withFolder(async (varDir) => {
    const child = fork(MAIN, ['serve', '--no-auth', '--store', join(varDir, 'store')], { silent: true });
    await once(child.stdout!, 'data');
    const ended = once(child, 'exit');
    child.disconnect();
    assert.equal(await ended, [0, null]);
  });
});

it('that there are no tokens is something to say', async () => {
  const { code, stderr } = await nvWal(['serve'], { env: { VAR_DIR: '/nowhere' } });
  assert.equal([code, stderr], [2, ['nv-wal: WAL_S2S_ISSUER is missing']]);
});

it.run();
