// The check must see what it is for: each way in which a record can be missing or too many is made here.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Verdict } from '../../../lib/cli/demo/check.js';
import { check, expectAcknowledged, expectTally } from '../../../lib/cli/demo/check.js';
import { Tally } from '../../../lib/cli/demo/input.js';
import type { ShipperStats, WalStats } from '../../../lib/index.js';
import type { IngestStore } from '../../../lib/ingest/index.js';
import { openLevelStore } from '../../../lib/ingest/index.js';
import { withFolder } from '../../helpers/folder.js';

const it = suite('cli/demo/check');
const WRITER = '0123456789ABCDEF';

/** A line that the receiver has: seq, key, and whose writer it was. */
type Line = [seq: number, key: string, writer?: string];

const ids = (...keys: string[]) => new Map(keys.map((key, n) => [`${WRITER}:audit:${n + 1}`, key]));

it('all is well where every acknowledged record is there', async () => {
  const verdict = await checked(
    [
      [1, 'a'],
      [2, 'b'],
    ],
    ids('a', 'b'),
  );
  assert.equal(verdict.reasons, []);
  const { appended, acknowledged, received, missing, twice } = verdict.streams['audit']!;
  assert.equal([appended, acknowledged, received, missing, twice], [2, 2, 2, 0, 0]);
});

it('a record that was durable before its producer could say so is no deviation', async () => {
  assert.equal(
    (
      await checked(
        [
          [1, 'a'],
          [2, 'b'],
          [3, 'c'],
        ],
        ids('a', 'b'),
      )
    ).reasons,
    [],
  );
});

it('an acknowledged record that is not there is missing, by its id', async () => {
  const verdict = await checked([[1, 'a']], ids('a', 'b'), { lastSeq: 2 });
  assert.equal(verdict.missing, [`${WRITER}:audit:2`]);
  assert.is(verdict.streams['audit']?.missing, 1);
  assert.ok(verdict.reasons.includes('1 record of audit: missing'));
  assert.ok(verdict.reasons.includes('1 seq of audit never arrived'));
});

it('other content under the id of an acknowledged record is that record missing', async () => {
  assert.equal(
    (
      await checked(
        [
          [1, 'a'],
          [2, 'x'],
        ],
        ids('a', 'b'),
      )
    ).missing,
    [`${WRITER}:audit:2`],
  );
});

it('a record under two ids is there twice, and so is a seq', async () => {
  const again = await checked(
    [
      [1, 'a'],
      [2, 'b'],
      [3, 'a'],
    ],
    ids('a', 'b'),
  );
  assert.equal(again.reasons, ['1 record of audit: twice']);
  const renumbered = await checked(
    [
      [1, 'a'],
      [2, 'b'],
      [2, 'c', 'FEDCBA9876543210'],
    ],
    ids('a', 'b'),
    { lastSeq: 2 },
  );
  assert.ok(renumbered.reasons.includes('1 record of audit: twice'));
});

it('what the ledger has given up is a reason, too', async () => {
  const verdict = await checked([[1, 'a']], ids('a'), {
    dropped: 1,
    quarantined: 2,
    lost: 3,
    backlogRecords: 4,
  });
  assert.equal(verdict.reasons, [
    '1 record of audit: dropped',
    '2 records of audit: quarantined',
    '3 records of audit: lost',
    '4 records of audit: backlog',
  ]);
});

it('of files, what is missing is named by its place, but for lines that were named as unreadable', async () => {
  const tally = new Tally();
  for (const [n, key] of ['a', 'b', 'b', 'c'].entries())
    tally.add('audit', recordOf(key), `old.ndjson:${n + 1}`);
  await withStore(
    [
      [1, 'a'],
      [2, 'b'],
      [3, 'x'],
    ],
    async (store) => {
      const stats = statsOf({ lastSeq: 3 });
      const verdict = await check(stats, store, expectTally(tally, new Set(['old.ndjson:4']), stats));
      assert.equal(verdict.missing, ['old.ndjson:2']);
      assert.equal(verdict.reasons, ['1 record of audit: missing', '1 record of audit: twice']);
    },
  );
});

it.run();

async function checked(
  lines: Line[],
  acknowledged: Map<string, string>,
  ledger: Partial<ShipperStats> & { lastSeq?: number } = {},
): Promise<Verdict> {
  let verdict: Verdict | undefined;
  await withStore(lines, async (store) => {
    const stats = statsOf({ lastSeq: lines.length, ...ledger });
    verdict = await check(stats, store, expectAcknowledged(acknowledged));
  });
  return verdict!;
}

function recordOf(key: string): { ctx: { requestId: string } } {
  return { ctx: { requestId: key } };
}

async function withStore(lines: Line[], use: (store: IngestStore) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await using store = await openLevelStore(folder);
    await store.store({
      logId: WRITER,
      instance: 'main',
      service: 'demo',
      kind: 'audit',
      lines: lines.map(([seq, key, writer = WRITER]) => {
        const id = `${writer}:audit:${seq}`;
        const line = JSON.stringify({ id, seq, kind: 'audit', record: recordOf(key) });
        return { id, seq, gap: undefined, ts: undefined, bytes: Buffer.from(line) };
      }),
    });
    await use(store);
  });
}

/** Of a log whose every record was delivered, unless said otherwise. */
function statsOf({ lastSeq, ...ledger }: Partial<ShipperStats> & { lastSeq: number }): WalStats {
  const shipper: ShipperStats = {
    seq: lastSeq,
    startSeq: 0,
    backlogRecords: 0,
    backlogBytes: 0,
    delivered: lastSeq,
    dropped: 0,
    quarantined: 0,
    lost: 0,
    state: 'idle',
    ...ledger,
  };
  return {
    service: 'demo',
    instance: 'main',
    dir: '/nowhere',
    logId: WRITER,
    writerId: WRITER,
    diskBytes: 0,
    pendingBytes: 0,
    streams: { audit: { firstSeq: 1, lastSeq, storedBytes: 0, shippers: { default: shipper } } },
  };
}
