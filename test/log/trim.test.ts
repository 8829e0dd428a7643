import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evictOlder, evictToBounds } from '../../lib/log/evict.js';
import { forget } from '../../lib/log/operations.js';
import { storedBytes } from '../../lib/log/state.js';
import { verifyLog } from '../../lib/log/verify.js';
import { append, appendEntries, bytesOnDisk, deliver, numbers, seqsOnDisk, withLog } from '../helpers/log.js';

const it = suite('log/trim');

const MIB = 1_048_576;

function noise(bytes: number): object {
  return { noise: randomBytes(Math.floor((bytes * 3) / 4)).toString('base64') };
}

it('what is delivered goes at once unless some is kept', async () => {
  await withLog({}, async (log) => {
    await appendEntries(log, 'log', [5, 5, 5]);
    await deliver(log, 'log', 'default', 10);
    assert.equal(await seqsOnDisk(log.store, 'log'), [11, 12, 13, 14, 15]);
    await deliver(log, 'log', 'default');
    assert.is(await bytesOnDisk(log.store, 'log'), 0);
  });
});

it('about as much of what is delivered is kept as is asked for', async () => {
  await withLog({}, async (log) => {
    const keep = 100_000;
    log.trimmer.keepDelivered('log', keep);
    for (let n = 0; n < 40; n++) {
      await append(log, 'log', [noise(10_000)]);
      if (n % 5 === 4) await deliver(log, 'log', 'default');
      await log.trimmer.idle();
      const undelivered = (n + 1) % 5;
      const stored = await bytesOnDisk(log.store, 'log');
      assert.is(storedBytes(log.stream('log')), stored);
      // A step of a sixteenth, and an entry, and what came since it was last looked at.
      const most = keep * (1 + 1 / 16) + 11_000 * (undelivered + 5);
      assert.ok(stored <= most, `${stored} after ${n + 1}`);
      if (n >= 10) assert.ok(stored >= keep * 0.8, `${stored} after ${n + 1}`);
    }
    assert.is((await verifyLog(log.store)).ok, true);
  });
});

it('keeping less, and keeping nothing, takes what was kept', async () => {
  await withLog({}, async (log) => {
    log.trimmer.keepDelivered('log', MIB);
    await appendEntries(log, 'log', Array<number>(20).fill(5));
    await deliver(log, 'log', 'default');
    const stored = await bytesOnDisk(log.store, 'log');
    log.trimmer.keepDelivered('log', Math.floor(stored / 2));
    log.trimmer.wake();
    await log.trimmer.idle();
    const half = await bytesOnDisk(log.store, 'log');
    assert.ok(half > stored / 3 && half < stored * 0.6, `${half} of ${stored}`);
    log.trimmer.keepDelivered('log', 0);
    log.trimmer.wake();
    await log.trimmer.idle();
    assert.is(await bytesOnDisk(log.store, 'log'), 0);
    assert.is(storedBytes(log.stream('log')), 0);
  });
});

it('what only a forgotten cursor was waiting for goes', async () => {
  await withLog({ cursors: ['log/default', 'log/siem'] }, async (log) => {
    await appendEntries(log, 'log', [5, 5, 5]);
    await deliver(log, 'log', 'default', 10);
    assert.is((await seqsOnDisk(log.store, 'log')).length, 15);
    await log.change((draft) => forget(draft, 'log', 'siem'));
    await log.trimmer.idle();
    assert.equal(await seqsOnDisk(log.store, 'log'), [11, 12, 13, 14, 15]);
  });
});

it('bytes are exact where what is trimmed stands in front of a hole', async () => {
  await withLog({}, async (log, { clock }) => {
    log.trimmer.keepDelivered('log', MIB);
    for (let n = 0; n < 4; n++) {
      await appendEntries(log, 'log', [10]);
      clock.advance(1000);
    }
    await deliver(log, 'log', 'default', 10);
    log.claims.send('log', 'default', { from: 11, to: 20 }, log.claims.removals('log'));
    // Nothing is in front of the hole but what is kept and what is in flight.
    await evictOlder(log, 'log', clock.now() - 1000, true);
    log.claims.sent('log', 'default');
    await deliver(log, 'log', 'default', 10);
    assert.equal(await seqsOnDisk(log.store, 'log'), [...numbers(11, 20), ...numbers(31, 40)]);
    log.trimmer.keepDelivered('log', 0);
    log.trimmer.wake();
    await log.trimmer.idle();
    assert.equal(await seqsOnDisk(log.store, 'log'), numbers(31, 40));
    assert.is(storedBytes(log.stream('log')), await bytesOnDisk(log.store, 'log'));
    assert.equal((await verifyLog(log.store)).problems, []);
  });
});

it('an undelivered record is never trimmed, however little is kept', async () => {
  await withLog({ cursors: ['log/default', 'log/slow'] }, async (log) => {
    log.trimmer.keepDelivered('log', 1);
    await appendEntries(log, 'log', Array<number>(10).fill(3));
    await deliver(log, 'log', 'default');
    await deliver(log, 'log', 'slow', 8);
    await log.trimmer.idle();
    const seqs = await seqsOnDisk(log.store, 'log');
    assert.is(seqs.at(-1), 30);
    assert.ok(seqs[0]! <= 9);
  });
});

it('deleted ranges are given back to the file system, step by step', async () => {
  await withLog({}, async (log) => {
    for (let n = 0; n < 12; n++) await append(log, 'log', [noise(MIB), noise(MIB)]);
    await log.trimmer.idle();
    const full = await log.measure();
    assert.ok(full > 17 * MIB, `${full} bytes`);
    for (let n = 0; n < 24; n++) {
      await deliver(log, 'log', 'default', 1);
      await log.trimmer.idle();
    }
    const drained = await log.measure();
    assert.ok(drained < 8 * MIB, `${drained} of ${full} bytes`);
  });
});

it('what is evicted in an outage is given back, although the cursor and a batch in flight stand before it', async () => {
  await withLog({}, async (log) => {
    for (let n = 0; n < 12; n++) await append(log, 'log', [noise(MIB), noise(MIB)]);
    await log.trimmer.idle();
    const full = await log.measure();
    log.claims.send('log', 'default', { from: 1, to: 1 }, log.claims.removals('log'));
    for (let left = 22; left >= 2; left -= 2) {
      const bounds = { kind: 'log', bytesMax: left * MIB };
      await evictToBounds(
        log,
        () => 'drop-oldest',
        bounds,
        'size',
        () => {},
      );
      await log.trimmer.idle();
    }
    assert.is(log.stream('log').head.seq, 0);
    const drained = await log.measure();
    assert.ok(drained < 11 * MIB, `${drained} of ${full} bytes`);
  });
});

it('compacting gives everything back that is deleted, at once', async () => {
  await withLog({}, async (log) => {
    for (let n = 0; n < 4; n++) await append(log, 'log', [noise(MIB), noise(MIB)]);
    // Before anything is deleted: it may be given back in the background, too.
    const before = await log.measure();
    await deliver(log, 'log', 'default');
    await log.trimmer.compactAll();
    const after = await log.measure();
    assert.ok(after < before / 4, `${after} of ${before} bytes`);
  });
});

it('closing ends the work in the background', async () => {
  await withLog({}, async (log) => {
    await appendEntries(log, 'log', [5, 5]);
    await deliver(log, 'log', 'default');
    const closed = log.close();
    log.trimmer.wake();
    await closed;
    await log.trimmer.idle();
  });
});

it.run();
