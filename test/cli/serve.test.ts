import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLevelStore, openPostgresStore } from '../../lib/ingest/index.js';
import { withFolder } from '../helpers/folder.js';
import { PASSWORD, postgresMissing, startPostgres } from '../helpers/postgres.js';
import { signToken } from '../helpers/receiver.js';
import { skipIf } from '../helpers/skip.js';
import { MAIN, TOKEN_ENV, appendNumbers, nvWal, whileRunning, withLog } from './nv-wal.js';
import type { Running } from './nv-wal.js';

const it = suite('cli/serve');
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));
/** A token that names a key of whoever. */
const UNKNOWN = [{ alg: 'EdDSA', kid: 'k' }, {}, {}]
  .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  .join('.');

async function urlOf(serving: Running): Promise<string> {
  const [line] = await serving.printed(/^\{.*\}$/m);
  return (JSON.parse(line) as { url: string }).url;
}

const SIGNED_ENV = { ...TOKEN_ENV, WAL_SIGNING_SECRET: 'a signing secret of the tests, 32 bytes' };

it('says where it listens, takes what is signed and has a token, and ends cleanly on SIGTERM', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 100),
    async ({ at, varDir }) => {
      await whileRunning(
        ['serve', '--json'],
        { env: { ...SIGNED_ENV, VAR_DIR: varDir } },
        async (serving) => {
          const url = await urlOf(serving);
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
          const url = await urlOf(serving);
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

it('takes callers and relays from its flags', async () => {
  await withFolder(async (folder) => {
    const access = ['--callers', 'gateway', '--relays', 'gateway', '--store', join(folder, 'store')];
    await whileRunning(['serve', '--json', ...access], { env: TOKEN_ENV }, async (serving) => {
      const url = await urlOf(serving);
      const statusOf = async (sub: string) => {
        const authorization = `Bearer ${await signToken({ sub })}`;
        return (await fetch(`${url}/api/logs`, { headers: { authorization } })).status;
      };
      assert.equal([await statusOf('gateway'), await statusOf('door')], [200, 403]);
    });
  });
});

it('takes the keys of tokens from a URL, which no other key may stand beside', async () => {
  const { WAL_S2S_SECRET: _, ...keyless } = TOKEN_ENV;
  const env = { ...keyless, WAL_S2S_JWKS_URL: 'http://127.0.0.1:1/keys' };
  await withFolder(async (folder) => {
    const serve = ['serve', '--json', '--store', join(folder, 'store')];
    await whileRunning(serve, { env }, async (serving) => {
      const headers = { authorization: `Bearer ${UNKNOWN}` };
      assert.is((await fetch(`${await urlOf(serving)}/api/logs`, { headers })).status, 503);
      await serving.printed(/can't get the keys at auth.jwksUrl/);
    });
    const { code, stderr } = await nvWal(serve, { env: { ...env, ...TOKEN_ENV } });
    const message = 'nv-wal: WAL_S2S_JWKS_URL and WAL_S2S_SECRET are both set; set one';
    assert.equal([code, stderr], [2, [message]]);
  });
});

it('says what to install where an optional package is not', async () => {
  await withFolder(async (folder) => {
    // The program and all that it needs, but for the packages that are optional.
    await cp(join(MAIN, '../../..'), folder, { recursive: true });
    await mkdir(join(folder, 'node_modules'));
    for (const name of await readdir(MODULES)) {
      if (name !== 'pg' && name !== '@nats-io')
        await symlink(join(MODULES, name), join(folder, 'node_modules', name));
    }
    const main = join(folder, 'lib/cli/main.js');
    const ran = spawnSync(process.execPath, [
      main,
      'serve',
      '--no-auth',
      '--store',
      'postgres://127.0.0.1/x',
    ]);
    assert.is(ran.status, 2);
    assert.is(ran.stderr.toString(), "nv-wal: the PostgreSQL store needs the package 'pg': npm install pg\n");
    const index = pathToFileURL(join(folder, 'lib/index.js')).href;
    const making = `(await import('${index}')).jetStreamSink({ servers: 'nats://host:1', stream: 'WAL' })`;
    const made = spawnSync(process.execPath, ['--input-type=module', '-e', making]);
    assert.is(made.status, 1);
    assert.match(made.stderr.toString(), 'npm install @nats-io/transport-node');
  });
});

it('that there are no tokens is something to say', async () => {
  const { code, stderr } = await nvWal(['serve'], { env: { VAR_DIR: '/nowhere' } });
  assert.equal([code, stderr], [2, ['nv-wal: WAL_S2S_ISSUER is missing']]);
});

it.run();
