import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../lib/clock.js';
import { WalError } from '../../lib/errors.js';
import { setAside } from '../../lib/log/aside.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { FORMAT, keys, seal, sectionRange } from '../../lib/log/keyspace.js';
import type { MigrateOptions } from '../../lib/log/migrate.js';
import { migrate } from '../../lib/log/migrate.js';
import type { Changes, Store } from '../../lib/log/store.js';
import { openStore } from '../../lib/log/store.js';
import { migrateLog } from '../../lib/migrate-log.js';
import { Wal } from '../../lib/wal.js';
import { steps } from '../../migrations/index.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { openLog } from '../helpers/log.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { rejection } from '../helpers/rejection.js';
import { contentOf, fill } from './log-of-format-1.js';
import { LAST_FORMAT, artificialSteps } from './steps.js';

const it = suite('migrations/runner');

const options: MigrateOptions = { steps: artificialSteps, format: LAST_FORMAT, clock: systemClock };

/** A log's folder with a database of format 1. */
async function withOldLog(use: (dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (dir) => {
    await withStoreOf(dir, fill, true);
    await use(dir);
  });
}

async function withStoreOf<T>(dir: string, use: (store: Store) => Promise<T>, create = false): Promise<T> {
  const store = await openStore(databaseFolder(dir), create);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** A store whose commits a test looks at, and may refuse before or after they are made. */
function watched(
  store: Store,
  onCommit: (number: number, commit: () => Promise<void>) => Promise<void>,
): Store {
  let number = 0;
  return {
    get: (...args) => store.get(...args),
    scan: (...args) => store.scan(...args),
    scanKeys: (...args) => store.scanKeys(...args),
    compact: (range) => store.compact(range),
    snapshot: () => store.snapshot(),
    close: () => store.close(),
    commit: (changes: Changes) => onCommit(++number, () => store.commit(changes)),
  };
}

interface Run {
  /** What was there before, and what there is afterwards. */
  before: Record<string, unknown>;
  content: Record<string, unknown>;
  commits: number;
}

async function wholeRun(): Promise<Run> {
  const run: Run = { before: {}, content: {}, commits: 0 };
  await withOldLog(async (dir) => {
    await withStoreOf(dir, async (store) => {
      run.before = await contentOf(store);
      const counting = watched(store, async (number, commit) => {
        run.commits = number;
        await commit();
      });
      const done = await migrate(counting, dir, options);
      assert.equal([done?.from, done?.to], [1, LAST_FORMAT]);
      run.content = await contentOf(store);
    });
  });
  return run;
}

/** What is in the copy that was made first. */
async function contentOfCopy(dir: string): Promise<Record<string, unknown>> {
  const [first] = (await readdir(dir)).filter((name) => name.startsWith('db.format-')).toSorted();
  const store = await openStore(join(dir, first!), false);
  try {
    return await contentOf(store);
  } finally {
    await store.close();
  }
}

const whole = await wholeRun();

it('the steps of the releases lead up to the format of this version, one by one', () => {
  assert.equal(
    steps.map(({ to }) => to),
    Array.from({ length: FORMAT - 1 }, (_, n) => n + 2),
  );
});

it('runs the missing steps in order, and is done then', async () => {
  assert.is(whole.content[keys.meta('format')], LAST_FORMAT);
  assert.equal(whole.content[keys.import('new-2')], { bytes: 2, unit: 'bytes', was: keys.import('old-2') });
  assert.not(keys.import('scrap') in whole.content);
  await withOldLog(async (dir) => {
    await withStoreOf(dir, async (store) => {
      await migrate(store, dir, options);
      const idle = watched(store, () => assert.unreachable('nothing is left to write') as never);
      assert.is(await migrate(idle, dir, options), undefined);
    });
  });
});

it('interrupted at every write, on disk or not, a second run gets to the same result', async () => {
  const writes = Array.from({ length: whole.commits }, (_, n) => n + 1);
  const interruptions = writes.flatMap((at) => [false, true].map((lands) => ({ at, lands })));
  const runs = interruptions.map(async ({ at, lands }) => {
    await withOldLog(async (dir) => {
      await withStoreOf(dir, async (store) => {
        const failing = watched(store, async (number, commit) => {
          if (number < at || lands) await commit();
          if (number === at) throw new Error('the disk refuses');
        });
        const error = (await rejection(migrate(failing, dir, options))) as WalError;
        assert.is(error.code, 'WAL_IO');
        await migrate(store, dir, options);
        const when = `after write ${at}, ${lands ? 'with' : 'without'} it`;
        assert.equal(await contentOf(store), whole.content, when);
      });
      assert.equal(await contentOfCopy(dir), whole.before, 'what was there before is set aside first');
    });
  });
  await Promise.all(runs);
});

it('killed again and again, it arrives', async () => {
  await withOldLog(async (dir) => {
    const script = new URL('migrate-process.ts', import.meta.url);
    let kills = 0;
    for (let ended: unknown; ended !== 0; kills++) {
      assert.ok(kills <= whole.commits, 'it gets on by a write with each run');
      // The third write of each run is its last, and in every other run does not get to the disk.
      await withChild(script, [dir, '3', kills % 2 === 0 ? 'after' : 'before'], async (child) => {
        ended = await child.ended;
        assert.ok(ended === 0 || ended === 'SIGKILL', `ended with ${String(ended)}`);
      });
    }
    assert.ok(kills > 2, `killed ${kills} times`);
    assert.equal(await withStoreOf(dir, contentOf), whole.content);
    assert.equal(await contentOfCopy(dir), whole.before);
  });
});

it('a log that is half migrated is too new for the version that wrote it', async () => {
  await withOldLog(async (dir) => {
    await withStoreOf(dir, async (store) => {
      const failing = watched(store, async (number, commit) => {
        if (number === 2) throw new Error('the disk refuses');
        await commit();
      });
      await rejection(migrate(failing, dir, options));
      const error = (await rejection(migrate(store, dir, { clock: systemClock, format: 1 }))) as WalError;
      assert.is(error.code, 'WAL_FORMAT_TOO_NEW');
    });
  });
});

it('the copy is whole although LevelDB compacts meanwhile, and LOCK is not in it', async () => {
  await withFolder(async (dir) => {
    await withStoreOf(
      dir,
      async (store) => {
        await fill(store);
        // Tables on several levels, so that there is something to compact.
        for (let round = 0; round < 4; round++) {
          const rows = Array.from({ length: 500 }, (_, n): [string, Buffer] => {
            const key = keys.import(`bulk-${n}`);
            return [key, seal(key, { round, text: 'x'.repeat(200) })];
          });
          await store.commit(new Map(rows));
          if (round < 3) await store.compact(sectionRange('meta'));
        }
        const compacting = store.compact({ gte: '!', lt: '"' });
        const copy = await setAside(dir, 1, { again: false, clock: systemClock });
        await compacting;
        assert.not((await readdir(copy)).includes('LOCK'));
        const copied = await openStore(copy, false);
        assert.equal(await contentOf(copied), await contentOf(store));
        await copied.close();
      },
      true,
    );
  });
});

it('what is written after the copy is not in it', async () => {
  await withOldLog(async (dir) => {
    await withStoreOf(dir, async (store) => {
      await migrate(store, dir, options);
      const copied = await contentOfCopy(dir);
      assert.is(copied[keys.meta('format')], 1);
      assert.equal(copied[keys.import('old-1')], { bytes: 1 });
    });
  });
});

it('keeps the two newest copies, and clears away broken-off ones', async () => {
  await withOldLog(async (dir) => {
    const clock = new ManualClock(10);
    for (const name of ['db.format-1-1', 'db.format-1-2', 'db.format-1-3', 'db.format-1-4.new']) {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, 'CURRENT'), 'x');
    }
    await withStoreOf(dir, (store) => migrate(store, dir, { ...options, clock }));
    const copies = (await readdir(dir)).filter((name) => name.startsWith('db.format-'));
    assert.equal(copies.toSorted(), ['db.format-1-10', 'db.format-1-3']);
  });
});

it('a newer format is refused, by whoever opens it', async () => {
  await withFolder(async (varDir) => {
    const clock = new ManualClock();
    const wal = await Wal.open({ service: 'test', varDir, clock, reserveBytes: 0 });
    const { dir } = wal;
    await wal.close();
    await withStoreOf(dir, (store) =>
      store.commit(new Map([[keys.meta('format'), seal(keys.meta('format'), FORMAT + 1)]])),
    );
    for (const opening of [
      () => Wal.open({ service: 'test', varDir, clock, reserveBytes: 0 }),
      () => Wal.openFolder(dir),
      () => migrateLog(dir),
    ]) {
      assert.is(((await rejection(opening())) as WalError).code, 'WAL_FORMAT_TOO_NEW');
    }
  });
});

it('an older format is left alone by tools, which say who brings it up', async () => {
  await withFolder(async (varDir) => {
    const clock = new ManualClock();
    const wal = await Wal.open({ service: 'test', varDir, clock, reserveBytes: 0 });
    const { dir } = wal;
    await wal.close();
    const format = keys.meta('format');
    await withStoreOf(dir, (store) => store.commit(new Map([[format, seal(format, FORMAT - 1)]])));
    const error = (await rejection(Wal.openFolder(dir))) as WalError;
    assert.is(error.code, 'WAL_CONFIG');
    assert.match(error.message, `nv-wal migrate --dir ${dir}`);
    // No release has a step from there; a step that was given is taken.
    assert.match((await rejection(migrateLog(dir))).message, 'no way from there');
    const events: unknown[] = [];
    const log = await openLog(dir, clock, {
      steps: [{ to: FORMAT, changes: async function* none() {} }],
      onEvent: (event) => events.push(event),
    });
    await log.close();
    const copy = join(dir, `db.format-${FORMAT - 1}-${clock.now()}`);
    assert.equal(events, [{ type: 'migrated', from: FORMAT - 1, to: FORMAT, copy }]);
    assert.equal(await migrateLog(dir), { from: FORMAT, to: FORMAT });
  });
});

it.run();
