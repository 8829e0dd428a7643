import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { writeOwner } from '../../lib/log/folder.js';
import { askHolder, isServed } from '../../lib/operate/ask.js';
import type { Routes } from '../../lib/operate/control.js';
import { Control } from '../../lib/operate/control.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { rejection } from '../helpers/rejection.js';
import { deferred } from '../helpers/sink.js';

const it = suite('operate/control');

const routes: Routes = {
  'GET /v1/stats': ({ query }) => ({ hello: 'world', ...Object.fromEntries(query) }),
  'POST /v1/echo': ({ body }) => ({ body: body ?? null }),
  'POST /v1/refuse': () => {
    throw new WalError('WAL_LOCKED', 'not now');
  },
  'POST /v1/fail': () => Promise.reject(new Error('a bug')),
};

async function withControl(dir: string, use: (control: Control) => Promise<void>): Promise<void> {
  const control = await Control.listen({ dir, routes });
  try {
    await use(control);
  } finally {
    await control.close();
  }
}

/** A folder whose path is too long for a socket. */
async function withLongFolder(use: (dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'a'.repeat(90), 'b'.repeat(90));
    await mkdir(dir, { recursive: true });
    await use(dir);
  });
}

it('answers what its routes say, as JSON', async () => {
  await withFolder(async (dir) => {
    await withControl(dir, async () => {
      assert.equal(await askHolder(dir, 'GET', '/v1/stats?a=1'), {
        is: 'answered',
        status: 200,
        body: { hello: 'world', a: '1' },
      });
      assert.ok(await isServed(dir));
    });
    assert.equal(await readdir(dir), []);
    assert.not(await isServed(dir));
    assert.equal(await askHolder(dir, 'GET', '/v1/stats'), { is: 'nobody' });
  });
});

it('says by status and code why there is no answer', async () => {
  await withFolder(async (dir) => {
    await withControl(dir, async () => {
      const cases = [
        ['GET', '/v1/nothing', 404, 'WAL_CONFIG'],
        ['POST', '/v1/stats', 405, 'WAL_CONFIG'],
        ['POST', '/v1/refuse', 409, 'WAL_LOCKED'],
        ['POST', '/v1/fail', 500, 'WAL_IO'],
        ['GET', '/v1/toString', 404, 'WAL_CONFIG'],
      ] as const;
      for (const [method, path, status, code] of cases) {
        const answer = await askHolder(dir, method, path);
        assert.is(answer.is, 'answered');
        if (answer.is !== 'answered') return;
        assert.is(answer.status, status, path);
        assert.is((answer.body as { error: { code: string } }).error.code, code);
      }
    });
  });
});

it('curl gets there, with a body and without, and one that is too large is refused', async () => {
  await withFolder(async (dir) => {
    await withControl(dir, async () => {
      const curl = async (...args: string[]) =>
        JSON.parse(
          (await promisify(execFile)('curl', ['-s', '--unix-socket', 'control.sock', ...args], { cwd: dir }))
            .stdout,
        ) as Record<string, unknown>;
      assert.equal(await curl('http://wal/v1/stats'), { hello: 'world' });
      assert.equal(await curl('-d', '{"n":1}', 'http://wal/v1/echo'), { body: { n: 1 } });
      assert.match(JSON.stringify(await curl('-d', '{', 'http://wal/v1/echo')), 'not JSON');
      await writeFile(join(dir, 'large'), 'x'.repeat(70_000));
      assert.match(JSON.stringify(await curl('-d', '@large', 'http://wal/v1/echo')), 'at most 65536 bytes');
    });
  });
});

it('only this user may connect', async () => {
  await withFolder(async (dir) => {
    await withControl(dir, async () => {
      const found = await lstat(join(dir, 'control.sock'));
      assert.ok(found.isSocket());
      assert.is(found.mode & 0o777, 0o600);
    });
  });
});

it('takes the place of a dead process’s socket, and of whatever else has its name', async () => {
  await withFolder(async (dir) => {
    const dead = createServer().listen(join(dir, 'made-here'));
    await once(dead, 'listening');
    // Under another name it is not cleared away, as after SIGKILL.
    await rename(join(dir, 'made-here'), join(dir, 'control.sock'));
    dead.close();
    await writeFile(join(dir, 'control.sock.new'), 'left by a crash between the two steps');
    assert.not(await isServed(dir));
    await withControl(dir, async () => {
      assert.is((await askHolder(dir, 'GET', '/v1/stats')).is, 'answered');
    });
  });
});

it('a path that is too long for a socket makes no difference', async () => {
  await withLongFolder(async (dir) => {
    await withControl(dir, async () => {
      assert.equal(await readdir(dir), ['control.sock']);
      assert.is((await askHolder(dir, 'GET', '/v1/stats')).is, 'answered');
      assert.ok(await isServed(dir));
    });
    assert.equal(await readdir(dir), []);
  });
});

it('where the system has no way around that, it is in a private folder that owner.json names', async () => {
  await withLongFolder(async (dir) => {
    const platform = 'darwin';
    const control = await Control.listen({ dir, routes, platform });
    try {
      const socket = control.elsewhere!;
      assert.is((await lstat(join(socket, '..'))).mode & 0o777, 0o700);
      assert.equal(await askHolder(dir, 'GET', '/v1/stats', { platform }), { is: 'nobody' });
      await writeOwner(dir, { pid: process.pid, started: 0, writerId: 'w', socket });
      assert.is((await askHolder(dir, 'GET', '/v1/stats', { platform })).is, 'answered');
      // The next start takes the same folder, so that crashes don't pile them up.
      const again = await Control.listen({ dir, routes, platform });
      assert.is(again.elsewhere, socket);
      await again.close();
      // Somebody else could have made a folder that others get into.
      await chmod(join(socket, '..'), 0o755);
      assert.equal(await askHolder(dir, 'GET', '/v1/stats', { platform }), { is: 'nobody' });
      assert.match((await rejection(Control.listen({ dir, routes, platform }))).message, 'mode 0700');
      await chmod(join(socket, '..'), 0o700);
    } finally {
      await control.close();
    }
  });
});

it('what was asked before it closes is still answered, and what comes then is not', async () => {
  await withFolder(async (dir) => {
    const asked = deferred<void>();
    const answer = deferred<object>();
    const waiting: Routes = {
      'POST /v1/wait': () => {
        asked.resolve();
        return answer.promise;
      },
    };
    const control = await Control.listen({ dir, routes: waiting });
    const first = askHolder(dir, 'POST', '/v1/wait');
    await asked.promise;
    await control.close();
    assert.equal(await askHolder(dir, 'POST', '/v1/wait'), { is: 'nobody' });
    answer.resolve({ late: true });
    assert.equal(await first, { is: 'answered', status: 200, body: { late: true } });
  });
});

it('whoever hangs is not nobody', async () => {
  await withFolder(async (dir) => {
    const hanging: Routes = { 'POST /v1/hang': () => new Promise(() => {}) };
    const control = await Control.listen({ dir, routes: hanging });
    const answer = await askHolder(dir, 'POST', '/v1/hang', { withinMs: 1 });
    assert.equal(answer, { is: 'silent' });
    assert.ok(await isServed(dir));
    await control.close();
  });
});

it('closing does not take the next holder’s socket away', async () => {
  await withFolder(async (dir) => {
    const first = await Control.listen({ dir, routes });
    await first.close();
    await withControl(dir, async () => {
      await first.close();
      assert.ok(await isServed(dir));
    });
  });
});

it('neither the socket nor a connection keeps the process alive', async () => {
  await withFolder(async (dir) => {
    await withChild(new URL('control-process.ts', import.meta.url), [dir, 'alone'], async (child) => {
      assert.is(await child.ended, 0);
    });
  });
});

it('a worker of node:cluster listens itself, also where the path is too long', async () => {
  await withLongFolder(async (dir) => {
    await withChild(new URL('control-process.ts', import.meta.url), [dir, 'cluster'], async (child) => {
      const [pid, answer] = (await child.next()) as [number, unknown];
      assert.equal(answer, { is: 'answered', status: 200, body: { pid } });
    });
  });
});

it.run();
