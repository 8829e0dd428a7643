// `evict`, `compact` and `forget`: what they do to one log, one after the other.

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal } from '../../lib/index.js';
import type { EvictReport, WalStats } from '../../lib/index.js';
import { appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/evict');

it('evict drops what may be dropped and counts it; compact gives the space back', async () => {
  await withLog(
    async (wal) => {
      await appendNumbers(wal, 'log', 5000);
      await appendNumbers(wal, 'audit', 10);
    },
    async ({ at, dir }) => {
      const dry = await nvWal(['evict', ...at, '--max-bytes', '1KB', '--dry-run', '--json']);
      const shown = await nvWal(['evict', ...at, '--max-bytes', '1KB', '--dry-run']);
      assert.match(shown.stdout, /^would evict 5,000 records \(.*\), 5,000 of them undelivered\nstream/);
      assert.match(shown.stdout, /\nlog +size +1 +5,000 +5,000 +5,000 /);
      const { code, stdout } = await nvWal(['evict', ...at, '--max-bytes', '1KB', '--json']);
      const { evicted, dropped, freedBytes, ranges } = JSON.parse(stdout) as EvictReport;
      // Whatever was only asked before has changed nothing.
      assert.equal([dry.code, dry.stdout], [0, stdout]);
      assert.equal(ranges, [
        { kind: 'log', from: 1, to: 5000, records: 5000, dropped: 5000, bytes: freedBytes, reason: 'size' },
      ]);
      assert.equal([code, evicted, dropped], [0, 5000, 5000]);
      assert.ok(freedBytes > 10_000);

      const compacted = await nvWal(['compact', ...at, '--json']);
      const { bytesBefore, bytesAfter } = JSON.parse(compacted.stdout) as Record<string, number>;
      assert.ok(bytesAfter! < bytesBefore!, compacted.stdout);

      await using wal = await Wal.openFolder(dir);
      const { audit, log } = wal.stats().streams;
      assert.is(audit?.shippers['default']?.backlogRecords, 10);
      assert.is(log?.shippers['default']?.dropped, 5000);
    },
  );
});

it('a stream whose only cursor is forgotten keeps its records and its numbering', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 10),
    async ({ at, dir }) => {
      const { code, stdout } = await nvWal(['forget', ...at, '--kind', 'audit', '--shipper', 'default']);
      assert.equal([code, stdout], [0, 'forgotten; it had 10 records to go\n']);
      await using wal = await Wal.openFolder(dir);
      assert.is((await wal.append('audit', {})).seq, 11);
      assert.equal(wal.stats().streams['audit']?.shippers, {});
    },
  );
});

it('whoever looks with a narrower bound in the environment deletes nothing', async () => {
  await withLog(
    async (wal) => {
      for (let n = 0; n < 4; n++) await wal.append('log', { noise: randomBytes(300_000).toString('base64') });
    },
    async ({ at }) => {
      const env = { WAL_MAX_BYTES: '1048576' };
      for (const command of ['dump', 'verify', 'compact']) {
        assert.is((await nvWal([command, ...at], { env })).code, 0, command);
      }
      const { stdout } = await nvWal(['stats', ...at, '--json'], { env });
      const { log } = (JSON.parse(stdout) as WalStats).streams;
      assert.equal([log!.firstSeq, log!.shippers['default']!.dropped], [1, 0]);
    },
  );
});

it.run();
