// An import that does not come to its end goes on where it was: no line twice, and none left out.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULTS } from '../../lib/config.js';
import type { StreamPolicy } from '../../lib/config.js';
import { WalError } from '../../lib/errors.js';
import type { ImportReport, ImportTarget } from '../../lib/import/import.js';
import { importFiles } from '../../lib/import/import.js';
import type { Log } from '../../lib/log/log.js';
import { Wal } from '../../lib/wal.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { numbers, seqsOnDisk, withLog } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';

const it = suite('import/resume');

const POLICY: StreamPolicy = { ...DEFAULTS.stream, shippers: ['default'], whenFull: 'reject' };

function targetOf(log: Log, checkRoom: ImportTarget['checkRoom'] = () => {}): ImportTarget {
  return { log, policyOf: () => POLICY, checkRoom };
}

async function withLines(count: number, use: (path: string, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, 'file.ndjson');
    await writeFile(
      path,
      numbers(1, count)
        .map((n) => `{"n":${n}}\n`)
        .join(''),
    );
    await use(path, folder);
  });
}

it('SIGKILL in the midst of an import: the next one imports exactly the rest', async () => {
  const count = 20_000;
  await withLines(count, async (path, folder) => {
    const script = new URL('importing-process.ts', import.meta.url);
    for (const upTo of [1, 4000]) {
      await withChild(script, [folder, path], async (child) => {
        for (let imported = 0; imported < upTo;) imported = (await child.next()) as number;
        await child.kill();
      });
    }
    const wal = await Wal.open<Record<string, object>>({
      service: 'test',
      varDir: folder,
      reserveBytes: 0,
      adopt: false,
    });
    const before = wal.stats().streams['log']!.lastSeq;
    assert.ok(before >= 4000 && before < count, `${before} were imported`);
    const { imported, skipped, failed } = await wal.import([path], { kind: 'log' });
    assert.equal({ imported, skipped, failed }, { imported: count - before, skipped: before, failed: 0 });
    let n = 0;
    for await (const item of wal.read('log')) assert.equal('record' in item && item.record, { n: ++n });
    assert.is(n, count);
    assert.ok((await wal.verify()).ok);
    await wal.close();
  });
});

it('a part that is refused is not passed over by the parts behind it', async () => {
  await withLines(5000, async (path) => {
    await withLog({}, async (log) => {
      const append = log.append.bind(log);
      let calls = 0;
      // As a log that is overloaded for a moment does.
      log.append = (...given) =>
        ++calls === 3 ? Promise.reject(new WalError('WAL_OVERLOADED', 'too much at once')) : append(...given);
      await rejectsWith(importFiles(targetOf(log), [path], { kind: 'log' }), 'WAL_OVERLOADED');
      assert.is(log.stream('log').lastSeq, 1000);
      log.append = append;
      const { imported, skipped } = await importFiles(targetOf(log), [path], { kind: 'log' });
      assert.equal({ imported, skipped }, { imported: 4000, skipped: 1000 });
      assert.equal(await seqsOnDisk(log.store, 'log'), numbers(1, 5000));
    });
  });
});

it('a stream that is full ends the import with what was taken, and it goes on when there is room', async () => {
  await withLines(3000, async (path) => {
    await withLog({}, async (log) => {
      let room = 2;
      const target = targetOf(log, (kind) => {
        if (room-- <= 0) throw new WalError('WAL_FULL', `'${kind}' takes no more`);
      });
      await rejectsWith(importFiles(target, [path], { kind: 'log' }), 'WAL_FULL');
      assert.is(log.stream('log').lastSeq, 1000);
      room = 1000;
      const { imported, skipped } = await importFiles(target, [path], { kind: 'log' });
      assert.equal({ imported, skipped }, { imported: 2000, skipped: 1000 });
    });
  });
});

it('a log that closes ends the import, and what was taken is on disk', async () => {
  await withLines(20_000, async (path) => {
    await withLog({}, async (log, { reopen }) => {
      let closed: Promise<void> | undefined;
      const importing = importFiles(targetOf(log), [path], {
        kind: 'log',
        onProgress: ({ imported }) => {
          if (imported > 0) closed ??= log.close();
        },
      });
      await rejectsWith(importing, 'WAL_CLOSED');
      const again = await reopen();
      const taken = again.stream('log').lastSeq;
      assert.ok(taken > 0 && taken < 20_000);
      const { imported, skipped } = await importFiles(targetOf(again), [path], { kind: 'log' });
      assert.equal({ imported, skipped }, { imported: 20_000 - taken, skipped: taken });
    });
  });
});

it('however often a file grows, few of its places are remembered, and it is gone on with', async () => {
  await withFolder(async (folder) => {
    await withLog({}, async (log) => {
      const path = join(folder, 'file.ndjson');
      let report: ImportReport | undefined;
      for (let n = 1; n <= 40; n++) {
        await writeFile(
          path,
          numbers(1, n)
            .map((line) => `{"n":${line}}\n`)
            .join(''),
        );
        report = await importFiles(targetOf(log), [path], { kind: 'log' });
        assert.equal([report.imported, report.skipped], [1, n - 1]);
      }
      const remembered = await log.store.scanKeys({ gte: '!import!', lt: '!import"' }, 100);
      assert.is(remembered.length, 32);
    });
  });
});

it.run();
