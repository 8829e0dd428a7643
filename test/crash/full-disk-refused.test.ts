// A disk that refuses for another reason than that it is full: a limit on the size of files (EFBIG), which is
// easily set and taken away again while a log is open. What is refused is settled all the same.

import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withFolder } from '../helpers/folder.js';
import { skipIf } from '../helpers/skip.js';
import { FullDiskLab, MIB } from './full-disk-lab.js';
import { rounds } from './long.js';

const suiteOf = suite('crash/full-disk-refused');
const it = skipIf(suiteOf, cannotLimit());

function cannotLimit(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux, for prlimit';
  try {
    limit('unlimited');
    return undefined;
  } catch {
    return 'needs prlimit (util-linux)';
  }
}

/** Bytes that a file of this process may have. */
function limit(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`], { stdio: 'pipe' });
}

async function withLab(use: (lab: FullDiskLab) => Promise<void>): Promise<void> {
  await withFolder(async (dir) => {
    const lab = new FullDiskLab(dir);
    await lab.open({ reserveBytes: 0 });
    try {
      await use(lab);
    } finally {
      limit('unlimited');
      await lab.end();
    }
  });
}

it('a refused commit is settled and written again under the same ids, over and over', async () => {
  await withLab(async (lab) => {
    const shipper = lab.ship('audit');
    // About what a log file of LevelDB has when the next one is begun: one of the commits before that does not fit.
    limit(MIB);
    const { writerId } = lab.wal.stats();
    while (lab.count('recovered') < rounds(3, 30)) {
      await Promise.all([lab.append('audit', 30), lab.append('log', 10), lab.append('audit', 1)]);
    }
    assert.is(lab.refused.size, 0, 'nobody notices');
    assert.is(lab.wal.stats().writerId, writerId);
    assert.is(lab.count('write-failed'), lab.count('recovered'));
    await shipper.stop();
    await lab.checkArrival();
    assert.is(lab.receivers.audit.count('record'), lab.acknowledged.audit.size, 'no record more');
  });
});

it('where the disk takes nothing, appends that hold a seq are unknown, later ones refused, and all goes on under a new writer id', async () => {
  await withLab(async (lab) => {
    await lab.append('audit', 20);
    const { writerId } = lab.wal.stats();
    limit(0);
    await Promise.all([lab.append('audit', 5), lab.append('log', 3)]);
    assert.not(await lab.append('audit', 1));
    assert.equal([...lab.refused.keys()], ['WAL_IO']);
    const items = [];
    for await (const item of lab.wal.read('audit')) items.push(item.seq);
    assert.is(items.length, 20, 'it is read from the old handle');
    const shipper = lab.ship('audit');
    await lab.pass(() => lab.receivers.audit.count('record') === 20);
    assert.is(lab.wal.stats().streams['audit']!.shippers['default']!.seq, 0);
    limit('unlimited');
    await lab.pass(() => lab.count('recovered') === 1);
    assert.not.equal(lab.wal.stats().writerId, writerId);
    assert.ok(await lab.append('audit', 2));
    await shipper.stop();
    await lab.checkArrival();
    assert.is(lab.receivers.audit.duplicates, 0);
  });
});

it('close ends while the disk takes nothing, and what was acknowledged is there', async () => {
  await withLab(async (lab) => {
    await lab.append('audit', 20);
    limit(0);
    lab.ship('audit');
    await lab.append('audit', 1);
    await lab.wal.close();
    limit('unlimited');
    await lab.open({ reserveBytes: 0 });
    await lab.checkArrival();
  });
});

suiteOf.run();
