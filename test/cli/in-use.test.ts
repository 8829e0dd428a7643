// `import`, `ship` and `migrate` on a log that its service holds.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal } from '../../lib/index.js';
import { TestSink } from '../helpers/sink.js';
import { nvWal, withLog } from './nv-wal.js';

const it = suite('cli/in-use');

it('its process imports what the files hold, and ships it; it can’t be migrated', async () => {
  await withLog(
    async () => {},
    async ({ at, varDir }) => {
      const file = join(varDir, 'old.ndjson');
      await writeFile(file, '{"n":1}\n{"n":2}\nno record\n{"n":3}\n');
      await using wal = await Wal.open<Record<string, object>>({
        service: 'gateway',
        varDir,
        reserveBytes: 0,
      });
      const into = ['import', ...at, '--kind', 'audit', '--json', file];
      const first = await nvWal(into);
      assert.equal(
        [first.code, JSON.parse(first.stdout)],
        [1, { imported: 3, skipped: 0, failed: 1, files: 1 }],
      );
      assert.match(first.stderr[0]!, new RegExp(`^${file}:3: not JSON`));
      // The same rules as ever: each line once.
      const again = await nvWal(into);
      assert.equal(JSON.parse(again.stdout), { imported: 0, skipped: 3, failed: 0, files: 1 });
      assert.is(wal.stats().streams['audit']!.lastSeq, 3);

      const unshipped = await nvWal(['ship', ...at, '--once', '--kind', 'audit', '--timeout', '10s']);
      assert.is(unshipped.code, 1);
      assert.equal(unshipped.stderr, [
        "nv-wal: the process that holds the log ships no 'audit'",
        'nv-wal: a backlog of 3 records is left',
      ]);
      wal.ship('audit', new TestSink(), { lingerMs: 60_000 });
      const shipped = await nvWal(['ship', ...at, '--once', '--kind', 'audit', '--json']);
      assert.equal([shipped.code, shipped.stderr], [0, []]);
      assert.equal(JSON.parse(shipped.stdout), { delivered: 3, quarantined: 0, backlog: 0 });

      const forEver = await nvWal(['ship', ...at]);
      assert.equal([forEver.code, forEver.stderr.length], [1, 1]);
      assert.match(forEver.stderr[0]!, 'the log is in use');
      const migrated = await nvWal(['migrate', ...at]);
      assert.equal([migrated.code, migrated.stderr.length], [1, 1]);
      assert.match(migrated.stderr[0]!, 'is in use: the process that holds it brought it to');
    },
  );
});

it('ship --once ends although records keep coming: it waits for those that were there', async () => {
  await withLog(
    async (wal) => void (await wal.append('audit', { n: 1 })),
    async ({ at, varDir }) => {
      const wal = await Wal.open<Record<string, object>>({ service: 'gateway', varDir, reserveBytes: 0 });
      await using _ = wal;
      wal.ship('audit', {
        name: 'never-done',
        async send({ count }) {
          // There is never nothing left.
          await wal.append('audit', { n: 2 });
          return { accepted: count };
        },
      });
      const { code, stderr } = await nvWal(['ship', ...at, '--once', '--kind', 'audit', '--timeout', '20s']);
      assert.equal([code, stderr], [0, []]);
    },
  );
});

it.run();
