// SIGKILL at any time while a log fills its disk, gives up what it may, and goes on: over and over on one log.

import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withChild } from '../helpers/child.js';
import { skipIf } from '../helpers/skip.js';
import { checkLedger } from './damage-promises.js';
import { FullDiskLab } from './full-disk-lab.js';
import { cannotMount, withDisk } from './full-disk-mount.js';
import { rounds, seedOfRun } from './long.js';
import { Dice } from './points-random.js';

const suiteOf = suite('crash/full-disk-killed');
const it = skipIf(suiteOf, cannotMount);
const seed = seedOfRun();
process.stdout.write(`crash/full-disk-killed: WAL_SEED=${seed}\n`);
const dice = new Dice(seed);
const PROCESS = new URL('full-disk-process.ts', import.meta.url);

type Acknowledged = ['log' | 'audit', id: string, number: number][];

/** Runs a service for a while, and kills it. */
async function runAndKill(varDir: string, first: number, lab: FullDiskLab): Promise<void> {
  await withChild(PROCESS, [varDir, String(first)], async (child) => {
    assert.is(await child.next(), 'open');
    const until = performance.now() + dice.integer(300, rounds(1000, 2800));
    let next: Promise<unknown> | undefined;
    while (performance.now() < until) {
      next ??= child.next();
      const message = await Promise.race([next, sleep(50)]);
      if (message !== undefined) next = undefined;
      for (const [kind, id, n] of (message ?? []) as Acknowledged) lab.acknowledged[kind].set(id, n);
    }
    // It is about to be killed while it is waited for.
    next?.catch(() => {});
  });
}

/** Whatever of the logs is not there any more was given up because the disk was full. */
async function checkLogs(lab: FullDiskLab): Promise<void> {
  const { log } = lab.wal.stats().streams;
  let next = 0;
  const there = new Map<string, number>();
  for await (const item of lab.wal.read('log')) {
    const from = 'gap' in item ? item.gap.from : item.seq;
    assert.is(from, (next || from - 1) + 1, 'without a hole');
    next = item.seq;
    if ('record' in item) there.set(item.id, (item.record as { n: number }).n);
    else assert.is(item.gap.reason, 'disk-full');
  }
  let missing = 0;
  for (const [id, n] of lab.acknowledged.log) {
    if (there.has(id)) assert.is(there.get(id), n);
    else missing++;
  }
  assert.ok(missing <= (log?.shippers['default']?.dropped ?? 0));
}

it('everything that was acknowledged is there, or was given up and counted', async () => {
  await withDisk(64, async (disk) => {
    const lab = new FullDiskLab(disk.dir);
    try {
      for (let n = 0; n < rounds(2, 25); n++) {
        await runAndKill(disk.dir, n * 1_000_000, lab);
        // What the log before this one had to tell, it may have been closed over.
        lab.events.length = 0;
        await lab.open();
        await lab.pass(() => lab.count('disk-full') === 0 || lab.isHealed);
        checkLedger(lab.wal);
        assert.equal((await lab.wal.verify()).problems, []);
        await checkLogs(lab);
        const audit = lab.ship('audit');
        await audit.idle();
        await audit.stop();
        const arrived = new Set([...lab.receivers.audit.records()].map(({ id }) => id));
        assert.equal(
          [...lab.acknowledged.audit.keys()].filter((id) => !arrived.has(id)),
          [],
          'audit is all there',
        );
        await lab.wal.close();
      }
    } finally {
      await lab.end();
    }
    assert.ok(lab.acknowledged.log.size > 0);
  });
});

suiteOf.run();
