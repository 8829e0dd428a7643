// `replay`: on a log at rest, and on one in use.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal } from '../../lib/index.js';
import { until } from '../helpers/until.js';
import { TestSink } from '../helpers/sink.js';
import { appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/replay');

const streams = { audit: { keepDeliveredBytes: 1_048_576 } };

async function shipAll(wal: Wal<Record<string, object>>): Promise<void> {
  // Two entries: only whole ones go.
  await appendNumbers(wal, 'audit', 10);
  await appendNumbers(wal, 'audit', 10);
  await wal.ship('audit', new TestSink()).idle();
}

it('moves the cursor back in a log at rest, and says what can’t be had again', async () => {
  await withLog(
    shipAll,
    async ({ at, dir }) => {
      const moved = await nvWal(['replay', ...at, '--kind', 'audit', '--from', '11', '--json']);
      assert.equal([moved.code, moved.stdout, moved.stderr], [0, '{"records":10}\n', []]);
      const none = await nvWal(['replay', ...at, '--quarantine']);
      assert.equal([none.code, none.stdout], [0, '0 records appended again\n']);
      {
        await using wal = await Wal.openFolder(dir);
        const { shippers, firstSeq } = wal.stats().streams['audit']!;
        // No tool deletes what the service keeps.
        assert.equal([firstSeq, shippers['default']!.backlogRecords], [1, 10]);
        await wal.evict({ kind: 'audit', maxBytes: 0 });
      }
      for (const [args, line] of [
        [['--kind', 'audit', '--from', '3'], /^nv-wal: .*first seq on disk is/],
        [['--from', '3'], /^nv-wal: .*first seq is/],
        [['--kind', 'billing', '--from', '3'], /^nv-wal: no stream 'billing'; there are/],
        [[], /^nv-wal: replay from where\?/],
      ] as const) {
        const { code, stdout, stderr } = await nvWal(['replay', ...at, ...args]);
        assert.equal([code, stdout, stderr.length], [2, '', 1], stderr.join());
        assert.match(stderr[0]!, line);
      }
    },
    { streams },
  );
});

it('of a log in use, its shipper delivers it again', async () => {
  await withLog(
    async () => {},
    async ({ at, varDir }) => {
      const wal = await Wal.open<Record<string, object>>({
        service: 'gateway',
        varDir,
        reserveBytes: 0,
        streams,
      });
      try {
        await appendNumbers(wal, 'audit', 20);
        const sink = new TestSink();
        await wal.ship('audit', sink, { lingerMs: 0 }).idle();
        const before = sink.seqs.flat().length;
        const { code, stdout } = await nvWal(['replay', ...at, '--from', '11']);
        assert.equal([code, stdout], [0, '10 records to deliver again\n']);
        await until(() => sink.seqs.flat().length === before + 10);
      } finally {
        await wal.close();
      }
    },
  );
});

it.run();
