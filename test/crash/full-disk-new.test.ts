// A log that is begun on a disk with hardly any room: it opens or says that the disk is full, and opens once there is
// room. Whatever is left of the first try is no damage.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import type { WalEvent } from '../../lib/events.js';
import { Wal } from '../../lib/wal.js';
import { skipIf } from '../helpers/skip.js';
import type { SmallDisk } from './full-disk-mount.js';
import { cannotMount, withDisk } from './full-disk-mount.js';

const suiteOf = suite('crash/full-disk-new');
const it = skipIf(suiteOf, cannotMount);

const MIB = 1_048_576;
/** A page of tmpfs, which takes no less for a file. */
const STEP_BYTES = 4096;

/** Appends one event to each stream; the code of the error where it is refused. */
async function appendOnce(disk: SmallDisk, service: string, events: WalEvent[]): Promise<string> {
  try {
    await using wal = await Wal.open<Record<string, object>>({
      service,
      varDir: disk.dir,
      reserveBytes: 0,
      onEvent: (event) => void events.push(event),
    });
    await Promise.all([wal.append('log', { n: 1 }), wal.append('audit', { n: 1 })]);
    return 'appended';
  } catch (error) {
    assert.ok(error instanceof WalError, String(error));
    return error.code;
  }
}

it('a log that is begun on a full disk opens once there is room, with what it has acknowledged and no damage', async () => {
  await withDisk(48, async (disk) => {
    const results = new Map<string, number>();
    for (let pages = 0; pages <= 48; pages++) {
      const service = `s${pages}`;
      const events: WalEvent[] = [];
      await disk.leave(pages * STEP_BYTES);
      const result = await appendOnce(disk, service, events);
      results.set(result, (results.get(result) ?? 0) + 1);
      await disk.leave(8 * MIB);
      await using wal = await Wal.open<Record<string, object>>({
        service,
        varDir: disk.dir,
        reserveBytes: 0,
        onEvent: (event) => void events.push(event),
      });
      const { log, audit } = wal.stats().streams;
      if (result === 'appended') assert.equal([log?.lastSeq, audit?.lastSeq], [1, 1], `${pages} pages`);
      else assert.is(result, 'WAL_FULL', `${pages} pages`);
      assert.equal(
        events.filter(({ type }) => type === 'recovered'),
        [],
        `${pages} pages: ${result}`,
      );
      assert.is((await wal.verify()).ok, true);
    }
    console.log([...results].map(([result, count]) => `${result}: ${count}`).join(', '));
    assert.ok(results.size > 1, 'some were refused, some were not');
  });
});

suiteOf.run();
