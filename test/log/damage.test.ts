// One byte changed in any stored value, or in any file of the database, is noticed: never a changed record, never a
// changed position.

import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evictOlder } from '../../lib/log/evict.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { keys, sectionRange } from '../../lib/log/keyspace.js';
import type { Log } from '../../lib/log/log.js';
import { rowsOf } from '../../lib/log/open.js';
import { readAfter, recordLines } from '../../lib/log/read.js';
import { verifyLog } from '../../lib/log/verify.js';
import { withFolder } from '../helpers/folder.js';
import {
  append,
  appendEntries,
  damage,
  deliver,
  flipped,
  numbers,
  openLog,
  withLog,
} from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';
import { ManualClock } from '../helpers/manual-clock.js';

const it = suite('log/damage');

/** 1 to 20 delivered, 21 to 40 in flight when 41 to 60 were evicted, 61 to 90 stored. */
async function withEverything(use: (log: Log, dir: string) => Promise<void>): Promise<void> {
  await withLog({}, async (log, { clock, dir }) => {
    for (let n = 0; n < 9; n++) {
      await append(
        log,
        'log',
        numbers(n * 10 + 1, n * 10 + 10).map((seq) => ({ seq, text: 'ä'.repeat(seq % 30) })),
      );
      clock.advance(1000);
    }
    await deliver(log, 'log', 'default', 20);
    log.claims.send('log', 'default', { from: 21, to: 40 }, log.claims.removals('log'));
    await evictOlder(log, 'log', log.identity.created + 6000, true);
    await use(log, dir);
  });
}

/** What a log tells of each seq behind the cursor: its line, or why there is none. */
async function told(log: Log): Promise<Map<number, string>> {
  const stream = log.stream('log');
  const seqs = new Map<number, string>();
  for (let after = stream.cursors.get('default')?.seq ?? 0; after < stream.lastSeq;) {
    const bounds = { upTo: stream.lastSeq, recordsMax: 1000, lineBytesMax: 1_048_576 };
    const { steps } = await readAfter(log.store, stream, after, bounds);
    for (const step of steps) {
      const lines = step.is === 'records' ? await recordLines(step) : undefined;
      for (const seq of numbers(step.from, step.to)) {
        const reason = step.is === 'notice' ? step.gap.reason : 'corrupt';
        seqs.set(seq, Array.isArray(lines) ? lines[seq - step.from]! : reason);
      }
    }
    after = steps.at(-1)!.to;
  }
  return seqs;
}

it('a bit changed in any byte of an entry makes its records unreadable, and no others', async () => {
  await withEverything(async (log) => {
    const before = await told(log);
    for (const lastSeq of [30, 70, 90]) {
      const key = keys.entry('log', lastSeq);
      const value = (await log.store.get(key))!;
      for (let byte = 0; byte < value.length; byte += 19) {
        await log.store.commit(new Map([[key, flipped(value, byte * 8 + (byte % 8))]]));
        for (const [seq, line] of await told(log)) {
          const isHit = seq > lastSeq - 10 && seq <= lastSeq;
          assert.is(line, isHit ? 'corrupt' : before.get(seq), `${seq}, byte ${byte}`);
        }
      }
      await log.store.commit(new Map([[key, value]]));
    }
    assert.equal(await told(log), before);
  });
});

it('an entry that stands under the key of another is not taken for it', async () => {
  await withEverything(async (log) => {
    const value = (await log.store.get(keys.entry('log', 70)))!;
    await log.store.commit(new Map([[keys.entry('log', 80), value]]));
    const seqs = await told(log);
    for (const seq of numbers(71, 80)) assert.is(seqs.get(seq), 'corrupt');
    assert.match(seqs.get(70)!, '"seq":70');
  });
});

it('a bit changed in any byte of a cursor, head, notice or the identity is WAL_CORRUPT at open, by its key', async () => {
  await withLog({}, async (_log, { behindItsBack }) => {
    await behindItsBack(async (store) => {
      const { log: other, rows } = await smallValues();
      await other.close();
      await store.commit(new Map(rows));
      for (const [key, value] of rows) {
        for (let byte = 0; byte < value.length; byte += 3) {
          await damage(store, key, byte * 8 + (byte % 8));
          const { problems } = await verifyLog(store);
          assert.match(problems.map(({ what }) => what).join(), key);
          await store.commit(new Map([[key, value]]));
        }
      }
    });
  });
});

async function smallValues(): Promise<{ log: Log; rows: [string, Buffer][] }> {
  const rows: [string, Buffer][] = [];
  let found!: Log;
  await withEverything(async (log) => {
    found = log;
    for (const section of ['head', 'cursor', 'notice', 'meta'] as const) {
      for await (const row of rowsOf(log.store, sectionRange(section))) rows.push(row);
    }
  });
  return { log: found, rows };
}

it('a damaged cursor is never a position: the log does not open with it', async () => {
  for (const key of [
    keys.cursor('log', 'default'),
    keys.head('log'),
    keys.notice('log', 60),
    keys.meta('logId'),
  ]) {
    await withEverything(async (log, dir) => {
      await damage(log.store, key, 44);
      await log.close();
      await rejectsWith(openLog(dir, new ManualClock()), 'WAL_CORRUPT', key);
    });
  }
});

/** A small pseudo-random sequence, the same in every run. */
function* sequence(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Flips a bit in a file of a closed log's copy, opens that, and compares. */
async function flips(suffix: '.ldb' | '.log', count: number): Promise<void> {
  await withLog({}, async (log, { dir, reopen }) => {
    const lines = new Map<number, string>();
    for (let n = 0; n < 12; n++) {
      await appendEntries(log, 'log', [25]);
      if (n === 5) await deliver(log, 'log', 'default', 60);
    }
    for (const [seq, line] of await told(log)) lines.set(seq, line);
    const { cursors, lastSeq } = log.stream('log');
    const { seq: position } = cursors.get('default')!;
    if (suffix === '.ldb') await log.trimmer.compactAll();
    await log.close();
    const database = databaseFolder(dir);
    const files = (await readdir(database)).filter((name) => name.endsWith(suffix));
    const random = sequence(suffix.length + count);
    for (let n = 0; n < count; n++) {
      await withFolder(async (folder) => {
        await cp(dir, folder, { recursive: true });
        const file = join(databaseFolder(folder), files[Math.floor(random.next().value * files.length)]!);
        const bytes = await readFile(file);
        if (bytes.length === 0) return;
        await writeFile(file, flipped(bytes, Math.floor(random.next().value * bytes.length * 8)));
        const opened = await openLog(folder, new ManualClock(), { repairs: true });
        try {
          for (const [seq, line] of await told(opened)) {
            if (seq > position) assert.ok(line === lines.get(seq) || line === 'corrupt', `${seq}: ${line}`);
          }
          const stream = opened.stream('log');
          const seq = stream.cursors.get('default')?.seq ?? 0;
          assert.ok(seq <= position, `the cursor went from ${position} to ${seq}`);
          assert.is(stream.lastSeq, lastSeq, 'numbering goes on behind what was ever given');
          assert.equal((await verifyLog(opened.store)).problems, []);
        } finally {
          await opened.close();
        }
      });
    }
    await reopen();
  });
}

it('a bit flipped in a table never changes a record or a position', () => flips('.ldb', 15));

it('a bit flipped in the write-ahead log of the database never changes a record or a position', () =>
  flips('.log', 15));

it('a new log whose only log file LevelDB drops without a word is still that log, and all of it is lost and counted', async () => {
  await withLog({ repairs: true }, async (log, { dir, clock }) => {
    const { logId } = log.identity;
    await appendEntries(log, 'log', [5, 5]);
    await log.close();
    const database = databaseFolder(dir);
    const [name] = (await readdir(database)).filter((file) => file.endsWith('.log'));
    const bytes = await readFile(join(database, name!));
    // The length of the first record, of all that are there: for LevelDB, it goes on behind the end and was never finished.
    bytes[5]! |= 0x40;
    await writeFile(join(database, name!), bytes);
    const opened = await openLog(dir, clock, { repairs: true });
    try {
      assert.is(opened.identity.logId, logId);
      const { lastSeq, cursors } = opened.stream('log');
      assert.is(lastSeq, 10);
      assert.is(cursors.get('default')?.lost, 10);
    } finally {
      await opened.close();
    }
  });
});

it.run();
