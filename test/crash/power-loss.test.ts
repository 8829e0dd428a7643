// The power goes: the system calls of real services are recorded, and from them the folders are built that a crash
// at any moment could have left. In each, the log opens and keeps what was promised until then. In its long form,
// more than 1,000 of them.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalEvent } from '../../lib/events.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { openStore } from '../../lib/log/store.js';
import { Wal } from '../../lib/wal.js';
import { withFolder } from '../helpers/folder.js';
import { skipIf } from '../helpers/skip.js';
import { isLong, rounds, seedOfRun } from './long.js';
import { labFolder, loseCurrent } from './points.js';
import { Dice } from './points-random.js';
import { labOptions } from './points-orders.js';
import { runService, straceMissing } from './points-strace.js';
import { Witness, recordOf } from './points-witness.js';
import type { Remains } from './power-loss-disk.js';
import { Disk } from './power-loss-disk.js';
import type { Step } from './power-loss-trace.js';
import { stepsOf, traceOptions } from './power-loss-trace.js';

const it = suite('crash/power-loss');
const noStrace = straceMissing();
const seed = seedOfRun();
process.stdout.write(`crash/power-loss: WAL_SEED=${seed}\n`);

/** What is left is checked in memory where that is possible: a disk would sync it some dozen times. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** What the recorded services must have done to their disks, all of them together, in the long form. */
const MUST_HAPPEN: Readonly<Record<string, (step: Step) => boolean>> = {
  'a commit is written': (step) => step.is === 'write' && /db\/\d+\.log$/.test(step.path),
  'a table is written': (step) => step.is === 'write' && /db\/\d+\.ldb$/.test(step.path),
  'a table is deleted': (step) => step.is === 'remove' && /db\/\d+\.ldb$/.test(step.path),
  'a database is opened': (step) => step.is === 'rename' && step.to.endsWith('db/CURRENT'),
  'the mark is written': (step) => step.is === 'write' && step.path.endsWith('/mark'),
  'the reserve is made': (step) => step.is === 'write' && step.path.endsWith('/reserve'),
  'the reserve is given up': (step) => step.is === 'remove' && step.path.endsWith('/reserve'),
  'a database is set aside': (step) => step.is === 'link' && step.to.endsWith('.ldb'),
  'a repaired database takes its place': (step) => step.is === 'rename' && step.to.endsWith('/db'),
};
const happened = new Set<string>();
let built = 0;

/** What one service did, from what was there before it. */
interface Recording {
  readonly before: Remains;
  /** What earlier services were promised. */
  readonly witness: Witness;
  readonly steps: readonly Step[];
  /** It ended by itself. */
  readonly isWhole: boolean;
}

interface RecordOptions {
  /** Steps of a service that lives on this log before, and is killed. @default 0: the log is new */
  oldSteps?: number;
  /** Done to the log's folder between the two. */
  damage?: (dir: string) => Promise<void>;
  /** More options of strace. */
  strace?: string[];
  steps: number;
}

async function record(options: RecordOptions, dice: Dice): Promise<Recording> {
  const { oldSteps = 0, damage, strace = [], steps } = options;
  let recording: Recording | undefined;
  await withFolder(async (folder) => {
    const varDir = join(folder, 'var');
    const trace = join(folder, 'trace');
    await mkdir(varDir);
    const witness = new Witness();
    const orders = (run: string, count: number) => ({
      varDir,
      run,
      steps: count,
      seed: dice.integer(0, 2 ** 31),
    });
    if (oldSteps > 0) {
      const die = { at: 'closing', nth: 1 } as const;
      assert.is((await runService({ ...orders('old', oldSteps), die }, witness, { folder })).by, 'kill');
      await damage?.(labFolder(varDir));
    }
    const before = await readRemains(varDir);
    const promised = witness.copy();
    const end = await runService(orders('new', steps), witness, {
      folder,
      strace: [...traceOptions(trace), ...strace],
    });
    assert.ok(end.by === 'itself' || (end.by === 'fault' && strace.length > 0), JSON.stringify(end));
    const taken = stepsOf(await readFile(trace, 'latin1'), varDir);
    recording = { before, witness: promised, steps: taken, isWhole: end.by === 'itself' };
  });
  return recording!;
}

async function readRemains(varDir: string): Promise<Remains> {
  const files = new Map<string, Buffer>();
  const folders: string[] = [];
  for (const path of await readdir(varDir, { recursive: true })) {
    try {
      files.set(path, await readFile(join(varDir, path)));
    } catch {
      folders.push(path);
    }
  }
  return { files, folders };
}

async function writeRemains(remains: Remains, varDir: string): Promise<void> {
  await mkdir(varDir, { recursive: true });
  for (const path of remains.folders) await mkdir(join(varDir, path), { recursive: true });
  for (const [path, content] of remains.files) {
    await mkdir(dirname(join(varDir, path)), { recursive: true });
    await writeFile(join(varDir, path), content);
  }
}

function digestOf({ files, folders }: Remains): string {
  const hash = createHash('sha256').update(folders.toSorted().join());
  for (const [path, content] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(path).update(content);
  return hash.digest('hex');
}

/** Lets the power go `count` times while the steps of a recording are taken, in distinct ways; checks what is left. */
async function loseThePower(recording: Recording, count: number, dice: Dice): Promise<void> {
  const { steps } = recording;
  const disk = new Disk(recording.before);
  const witness = recording.witness.copy();
  const seen = new Set<string>();
  let repaired = 0;
  // Where something is about to be durable, or has just become it, the ways are many.
  const weights = steps.map(({ is }) => (is === 'said' ? 0 : is === 'syncing' || is === 'synced' ? 3 : 1));
  let left = weights.reduce<number>((sum, weight) => sum + weight, 0);
  for (const [n, step] of steps.entries()) {
    const owed = (weights[n]! / left) * (count - seen.size);
    left -= weights[n]!;
    for (let tries = Math.floor(owed) + (dice.chance(owed % 1) ? 1 : 0); tries > 0; tries--) {
      const crashSeed = dice.integer(0, 2 ** 31);
      const remains = disk.crash(new Dice(crashSeed));
      const digest = digestOf(remains);
      if (seen.has(digest)) continue;
      seen.add(digest);
      try {
        if (await check(remains, witness.copy(), seen.size % 8 === 0)) repaired++;
      } catch (error) {
        process.stdout.write(
          `WAL_SEED=${seed}, before step ${n} of ${steps.length}, ${step.is}, crash ${crashSeed}\n`,
        );
        throw error;
      }
    }
    if (step.is === 'said') witness.hear(step.text);
    disk.take(step);
  }
  assert.is(witness.isDone, recording.isWhole, 'the whole life of the service was recorded');
  process.stdout.write(`\n${seen.size} folders, ${repaired} of them repaired; ${steps.length} steps\n`);
  assert.ok(seen.size >= count / 2, `${seen.size} distinct folders of ${count}`);
  built += seen.size;
  for (const [what, isIt] of Object.entries(MUST_HAPPEN)) if (steps.some(isIt)) happened.add(what);
}

/** Opens what is left, and checks; with `drains`, that it goes on, too. Returns whether it had to be repaired. */
async function check(remains: Remains, witness: Witness, drains: boolean): Promise<boolean> {
  const events: WalEvent[] = [];
  const varDir = await mkdtemp(join(MEMORY, 'nv-wal-'));
  try {
    await writeRemains(remains, varDir);
    const onEvent = (event: WalEvent) => void events.push(event);
    await using wal = await Wal.open<Record<string, object>>(
      labOptions(varDir, { reserveBytes: 0, onEvent }),
    );
    await witness.check(wal, events);
    if (drains) {
      await wal.append('audit', recordOf('after'));
      await witness.checkDrained(wal);
    }
  } finally {
    await rm(varDir, { recursive: true, force: true });
  }
  return events.some(({ type }) => type === 'recovered');
}

skipIf(it, noStrace)('a new log', async () => {
  const dice = new Dice(seed);
  await loseThePower(await record({ steps: rounds(12, 60) }, dice), rounds(10, 400), dice);
});

skipIf(it, noStrace)('a log that was killed before', async () => {
  const dice = new Dice(seed + 1);
  await loseThePower(await record({ oldSteps: 40, steps: rounds(12, 80) }, dice), rounds(10, 500), dice);
});

skipIf(it, noStrace)('a database that is being repaired', async () => {
  const dice = new Dice(seed + 2);
  const damage = async (dir: string): Promise<void> => {
    // Opening makes a table of what is in the log file: whatever the service did, there is one to be set aside.
    await (await openStore(databaseFolder(dir), false)).close();
    await loseCurrent(dir);
  };
  const recording = await record({ oldSteps: 40, damage, steps: rounds(2, 10) }, dice);
  assert.ok(recording.steps.some(MUST_HAPPEN['a database is set aside']!));
  await loseThePower(recording, rounds(10, 400), dice);
});

skipIf(it, noStrace)('a disk that was full', async () => {
  const dice = new Dice(seed + 3);
  const strace = ['-e', 'inject=fdatasync:error=ENOSPC:when=12'];
  await loseThePower(
    await record({ oldSteps: 10, strace, steps: rounds(12, 60) }, dice),
    rounds(10, 300),
    dice,
  );
});

if (isLong) {
  skipIf(it, noStrace)('more than a thousand folders, of services that did everything', () => {
    process.stdout.write(`\nnote: ${built} folders that a power loss could leave were built and checked\n`);
    assert.ok(built >= 1000, `${built} folders`);
    assert.equal([...happened].toSorted(), Object.keys(MUST_HAPPEN).toSorted());
  });
}

it.run();
