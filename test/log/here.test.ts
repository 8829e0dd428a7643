import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalError } from '../../lib/errors.js';
import { isTakenHere } from '../../lib/log/here.js';
import { openStore } from '../../lib/log/store.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { withStore } from '../helpers/log.js';
import { rejection } from '../helpers/rejection.js';

const it = suite('log/here');

async function anotherProcessOpens(database: string): Promise<unknown> {
  let answer: unknown;
  await withChild(new URL('here-process.ts', import.meta.url), [database], async (child) => {
    answer = await child.next();
  });
  return answer;
}

it('a second open in this process is refused, and lets no other process in', async () => {
  await withStore(async (_store, database) => {
    assert.is(((await rejection(openStore(database, false))) as WalError).code, 'WAL_LOCKED');
    assert.is(await anotherProcessOpens(database), 'WAL_LOCKED');
  });
});

it('neither does one by another path to the same folder', async () => {
  await withFolder(async (folder) => {
    await withStore(async (_store, database) => {
      const other = join(folder, 'link');
      await symlink(join(database, '..'), other);
      assert.is(((await rejection(openStore(join(other, 'db'), false))) as WalError).code, 'WAL_LOCKED');
      assert.is(await anotherProcessOpens(database), 'WAL_LOCKED');
    });
  });
});

it('of two opens at once, of a database that is not there yet, one comes through', async () => {
  await withFolder(async (folder) => {
    const database = join(folder, 'db');
    const opened = await Promise.allSettled([openStore(database, true), openStore(database, true)]);
    assert.equal(opened.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    for (const one of opened) if (one.status === 'fulfilled') await one.value.close();
  });
});

it('a database is free again when it was closed, and when it could not be opened', async () => {
  await withFolder(async (folder) => {
    const database = join(folder, 'db');
    await rejection(openStore(database, false));
    assert.not(await isTakenHere(database));
    await (await openStore(database, true)).close();
    assert.not(await isTakenHere(database));
    assert.is(await anotherProcessOpens(database), 'opened');
  });
});

it.run();
