import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { databaseFolder } from '../../lib/log/folder.js';
import { FORMAT, keys, seal } from '../../lib/log/keyspace.js';
import { openStore } from '../../lib/log/store.js';
import { appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/migrate');

it('says which format a log has; one of a newer version is refused, and not changed', async () => {
  await withLog(
    async (wal) => await appendNumbers(wal, 'audit', 3),
    async ({ at, dir }) => {
      const same = await nvWal(['migrate', ...at]);
      assert.equal([same.code, same.stdout, same.stderr], [0, `it has format ${FORMAT} already\n`, []]);
      const { stdout } = await nvWal(['migrate', ...at, '--json']);
      assert.equal(JSON.parse(stdout), { from: FORMAT, to: FORMAT });

      await setFormat(dir, FORMAT + 1);
      const newer = await nvWal(['migrate', ...at]);
      assert.is(newer.code, 1);
      assert.match(newer.stderr[0]!, /WAL_FORMAT_TOO_NEW/);
      await setFormat(dir, FORMAT);
      assert.equal((await nvWal(['verify', ...at])).stdout, 'ok: 3 records\n');
    },
  );
});

it.run();

async function setFormat(dir: string, format: number): Promise<void> {
  const store = await openStore(databaseFolder(dir), false);
  await store.commit(new Map([[keys.meta('format'), seal(keys.meta('format'), format)]]));
  await store.close();
}
