// A disk that is full, on a real one: from ENOSPC to a healed log without a restart, and what happens where
// nothing can be given up.

import { readdir } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { Reserve } from '../../lib/log/reserve.js';
import { skipIf } from '../helpers/skip.js';
import { FullDiskLab, MIB, RESERVE_BYTES } from './full-disk-lab.js';
import type { SmallDisk } from './full-disk-mount.js';
import { cannotMount, withDisk } from './full-disk-mount.js';
import { rounds } from './long.js';

const suiteOf = suite('crash/full-disk');
const it = skipIf(suiteOf, cannotMount);

/** Something to give up: more than is held back. */
async function fillWithLogs(lab: FullDiskLab, mib: number): Promise<void> {
  while ((lab.wal.stats().streams['log']?.storedBytes ?? 0) < mib * MIB) await lab.append('log', 100);
}

async function withLab(
  mib: number,
  use: (lab: FullDiskLab, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  await withDisk(mib, async (disk) => {
    const lab = new FullDiskLab(disk.dir);
    try {
      await use(lab, disk);
    } finally {
      await lab.end();
    }
  });
}

it('over and over, a full disk heals by giving up logs; audit is refused at most, and arrives', async () => {
  await withLab(64, async (lab) => {
    await lab.open();
    lab.ship('audit');
    for (let n = 0; lab.count('recovered') < rounds(2, 15); n++) {
      await Promise.all([lab.append('log', 100), lab.append('audit', 2), lab.append('audit', 1)]);
      if (lab.count('disk-full') > 0) await lab.pass(() => lab.isHealed);
      assert.ok(n < 2000, 'the disk fills up');
    }
    assert.is(await lab.reserveBytes(), RESERVE_BYTES, 'the reserve is back');
    for (const code of lab.refused.keys()) assert.ok(['WAL_FULL', 'WAL_IO'].includes(code), code);
    const { dropped } = lab.wal.stats().streams['log']!.shippers['default']!;
    assert.ok(dropped > 0);
    assert.ok(lab.events.every((event) => event.type !== 'dropped' || event.reason === 'disk-full'));
    await lab.wal.close();
    await lab.open();
    assert.is(
      lab.wal.stats().streams['log']!.shippers['default']!.dropped,
      dropped,
      'counted across a restart',
    );
    await lab.checkArrival();
    assert.is(lab.receivers.log.count('disk-full'), dropped);
  });
});

it('where nothing can be given up, appends are refused, all that is there is shipped, and it heals when there is room', async () => {
  await withLab(48, async (lab, disk) => {
    await lab.openWithReserve();
    await disk.leave(4 * MIB);
    while (await lab.append('audit', 20));
    await disk.leave(0);
    lab.refused.clear();
    assert.not(await lab.append('log', 1), 'logs are refused, too');
    assert.not(await lab.append('audit', 1));
    assert.equal([...lab.refused.keys()], ['WAL_FULL']);
    const { lastSeq } = lab.wal.stats().streams['audit']!;
    assert.is(lastSeq, lab.acknowledged.audit.size);
    const items = [];
    for await (const item of lab.wal.read('audit')) items.push(item);
    assert.is(items.length, lastSeq, 'it can be read');
    lab.ship('audit');
    await lab.pass(() => lab.receivers.audit.count('record') === lastSeq);
    await disk.leave(40 * MIB);
    await lab.pass(async () => lab.isHealed && (await lab.append('audit', 1)));
    assert.is(await lab.reserveBytes(), RESERVE_BYTES);
    await lab.wal.close();
    await lab.open();
    await lab.checkArrival();
    assert.is(lab.receivers.audit.duplicates, 0, 'what was acknowledged meanwhile was committed then');
  });
});

it('without a reserve the old handle ships on, acknowledgements are held, and committed once there is room', async () => {
  await withLab(24, async (lab, disk) => {
    await lab.open({ reserveBytes: 0 });
    await disk.leave(5 * MIB);
    while (await lab.append('audit', 10));
    await disk.leave(0);
    const { lastSeq, shippers } = lab.wal.stats().streams['audit']!;
    assert.is(shippers['default']!.seq, 0);
    const shipper = lab.wal.ship('audit', lab.receivers.audit.sink(), { lingerMs: 0, batchMax: 20 });
    await lab.pass(() => lab.receivers.audit.count('record') === lastSeq);
    assert.is(lab.wal.stats().streams['audit']!.shippers['default']!.seq, 0, 'nothing can be acknowledged');
    await disk.leave(20 * MIB);
    await lab.pass(() => lab.wal.stats().streams['audit']!.shippers['default']!.seq === lastSeq);
    await shipper.stop();
    assert.is(lab.receivers.audit.duplicates, 0);
    await lab.checkArrival();
  });
});

it('close ends in each phase, and loses nothing that was acknowledged', async () => {
  const phases: Record<string, (lab: FullDiskLab, disk: SmallDisk) => Promise<void>> = {
    'the write is being settled': async (lab) => {
      // In the turn in which the disk refuses, without waiting for what becomes of it. What LevelDB could not write
      // beside the commits, it tells to the next one only: they must not end before.
      const appends: Promise<boolean>[] = [];
      while (lab.count('disk-full') === 0) {
        appends.push(lab.append('audit', 20));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all([lab.wal.close(), ...appends]);
    },
    'the database can not be opened again': async (lab, disk) => {
      while (await lab.append('audit', 20));
      await disk.leave(0);
      while (await lab.append('audit', 1));
      lab.ship('audit');
      await lab.pass(() => lab.receivers.audit.count('record') > 0);
      await lab.wal.close();
    },
    'appends are refused until there is room': async (lab) => {
      while (await lab.append('audit', 20));
      await lab.wal.close();
    },
  };
  for (const [phase, bring] of Object.entries(phases)) {
    for (const reserveBytes of [0, RESERVE_BYTES]) {
      await withLab(48, async (lab, disk) => {
        await lab.openWithReserve({ reserveBytes });
        await disk.leave(4 * MIB);
        await bring(lab, disk);
        await disk.leave(40 * MIB);
        await lab.open({ reserveBytes });
        const { lastSeq } = lab.wal.stats().streams['audit']!;
        assert.ok(lastSeq >= lab.acknowledged.audit.size, phase);
        await lab.checkArrival();
      });
    }
  }
});

it('on a full disk a log opens by giving up its reserve, and heals', async () => {
  await withLab(64, async (lab, disk) => {
    await lab.openWithReserve();
    await fillWithLogs(lab, 26);
    await lab.append('audit', 100);
    await lab.wal.close();
    await disk.leave(0);
    await lab.open();
    // LevelDB may just fit in what its old diary gives back: then the first append finds the disk full.
    while (lab.count('disk-full') === 0) await lab.append('audit', 1);
    await lab.pass(() => lab.isHealed);
    assert.is(await lab.reserveBytes(), RESERVE_BYTES);
    assert.ok(await lab.append('audit', 1));
    await lab.checkArrival();
  });
});

it('a log that finds no room for its reserve holds back what it can, and heals by giving up its own records', async () => {
  await withLab(64, async (lab, disk) => {
    await lab.open({ reserveBytes: 0 });
    await fillWithLogs(lab, 30);
    await lab.append('audit', 5);
    await lab.wal.close();
    // So little that half of it would not do to open the database again.
    await disk.leave(7 * MIB);
    await lab.open();
    await lab.pass(async () => (await lab.reserveBytes()) > 0);
    assert.ok((await lab.reserveBytes()) < 7 * MIB);
    while (lab.count('disk-full') === 0) await lab.append('log', 100);
    await lab.pass(() => lab.isHealed);
    assert.is(await lab.reserveBytes(), RESERVE_BYTES);
    await lab.checkArrival();
  });
});

it('the reserve is completed once there is room for it', async () => {
  await withLab(48, async (lab, disk) => {
    await disk.leave(20 * MIB);
    await lab.open();
    await lab.pass(async () => (await lab.reserveBytes()) > 0);
    await disk.leave(40 * MIB);
    await lab.pass(async () => (await lab.reserveBytes()) === RESERVE_BYTES);
  });
});

it('what there is of a reserve stays, also where completing it fails', async () => {
  await withDisk(48, async (disk) => {
    const reserve = new Reserve(disk.dir, RESERVE_BYTES);
    await disk.leave(8 * MIB);
    await reserve.makeSome(new AbortController().signal);
    assert.is(await disk.freeBytes(), 2 * MIB);
    await disk.leave(0);
    await reserve.makeSome(new AbortController().signal);
    assert.not(await reserve.make());
    await disk.leave(40 * MIB);
    assert.not(await reserve.make(AbortSignal.abort()));
    assert.is(await disk.freeBytes(), 40 * MIB, 'nothing of it went');
    assert.ok(await reserve.make());
    assert.is(await disk.freeBytes(), 22 * MIB, 'only what was missing was written');
  });
});

it('on a full disk without a reserve it does not open, says so, and is all there when there is room', async () => {
  await withLab(32, async (lab, disk) => {
    await lab.open({ reserveBytes: 0 });
    await lab.append('audit', 200);
    await lab.wal.close();
    await disk.leave(0);
    const refused: unknown = await lab.open({ reserveBytes: 0 }).catch((error: unknown) => error);
    assert.ok(refused instanceof WalError && refused.code === 'WAL_FULL', String(refused));
    assert.match(refused.message, /make some 32 MiB of room/);
    await disk.leave(16 * MIB);
    await lab.open({ reserveBytes: 0 });
    assert.is(lab.wal.stats().streams['audit']!.lastSeq, 200);
    await lab.checkArrival();
  });
});

it('a damaged database on a full disk is repaired in the room of the reserve, or left as it is', async () => {
  const { remove } = await import('./damage-trial.js');
  for (const reserveBytes of [0, RESERVE_BYTES]) {
    await withLab(64, async (lab, disk) => {
      await lab.openWithReserve({ reserveBytes });
      for (let n = 0; n < 10; n++) await lab.append('audit', 100);
      const { dir } = lab.wal;
      await lab.wal.close();
      await remove('db/CURRENT')(dir);
      await disk.leave(0);
      const before = await filesOf(`${dir}/db`);
      const refused: unknown = await lab.open({ reserveBytes }).catch((error: unknown) => error);
      if (reserveBytes === 0) {
        assert.ok(refused instanceof WalError && refused.code === 'WAL_FULL', String(refused));
        assert.equal(await filesOf(`${dir}/db`), before);
        assert.equal(
          (await readdir(dir)).filter((name) => /^db\../.test(name)),
          [],
        );
        await disk.leave(30 * MIB);
        await lab.open({ reserveBytes });
      }
      await lab.checkArrival();
      assert.is(lab.receivers.audit.count('record'), 1000);
    });
  }
});

suiteOf.run();

/** Those of a database but for LevelDB's diaries, which are given up for a little room. */
async function filesOf(database: string): Promise<string[]> {
  return (await readdir(database)).filter((name) => !name.startsWith('LOG'));
}
