// Any sequence of what can happen to a log, as fast-check makes it, and the run that checks each.

import * as fc from 'fast-check';
import { withFolder } from '../helpers/folder.js';
import { Disk } from './disk.js';
import type { Refusal } from './disk.js';
import type { Cursor, Kind, Receiver } from './subject.js';
import { CURSORS, Subject } from './subject.js';

interface Command {
  run: (subject: Subject) => Promise<void> | void;
}

/** A command whose failing example can be read. */
function command<T extends readonly unknown[]>(
  name: string,
  args: fc.Arbitrary<T>,
  run: (subject: Subject, ...given: T) => Promise<void> | void,
): fc.Arbitrary<Command> {
  return args.map((given) => ({
    run: (subject) => run(subject, ...given),
    [fc.toStringMethod]: () => `${name}(${given.map((one) => JSON.stringify(one)).join()})`,
  }));
}

const kinds = fc.constantFrom<Kind>('log', 'audit');
const cursors = fc.constantFrom<Cursor>(...CURSORS);
const receivers = fc.constantFrom<Receiver>('up', 'up', 'up', 'down', 'refusing', 'liar', 'poison');
const refusals = fc.array(
  fc.record<Refusal>({ with: fc.constantFrom('full', 'error'), isThere: fc.boolean() }),
  { minLength: 1, maxLength: 3 },
);
const counts = fc.integer({ min: 1, max: 30 });
const sizes = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 500, max: 4000 }));

const COMMANDS: readonly [weight: number, command: fc.Arbitrary<Command>][] = [
  [
    6,
    command('append', fc.tuple(kinds, counts, sizes), (s, kind, count, bytes) =>
      s.append(kind, count, bytes),
    ),
  ],
  [2, command('appendAtOnce', fc.tuple(kinds, counts), (s, kind, count) => s.appendAtOnce(kind, count))],
  [1, command('offer', fc.tuple(kinds), (s, kind) => s.offer(kind))],
  [6, command('ship', fc.tuple(cursors, receivers), (s, cursor, receiver) => s.ship(cursor, receiver))],
  [1, command('evict', fc.tuple(fc.integer({ min: 0, max: 60_000 })), (s, bytes) => s.evict(bytes))],
  [1, command('evictOlder', fc.tuple(fc.integer({ min: 0, max: 100_000 })), (s, ms) => s.evictOlder(ms))],
  [1, command('advance', fc.tuple(fc.integer({ min: 1, max: 3_000_000 })), (s, ms) => s.advance(ms))],
  [1, command('jump', fc.tuple(fc.integer({ min: -100_000_000, max: 100_000_000 })), (s, ms) => s.jump(ms))],
  [1, command('compact', fc.tuple(), (s) => s.compact())],
  [2, command('reopen', fc.tuple(), (s) => s.reopen())],
  [2, command('crash', fc.tuple(fc.boolean()), (s, withAppend) => s.crash(withAppend))],
  [2, command('refuse', fc.tuple(refusals), (s, given) => s.refuse(given))],
];
const CORRUPT = command('corrupt', fc.tuple(fc.nat(9), fc.nat(10_000_000)), (s, where, bit) =>
  s.corrupt(where, bit),
);

/** `corrupts`: whether bits change on the disk. Then less is promised, so most sequences go without. */
function sequences(corrupts: boolean): fc.Arbitrary<Command[]> {
  const weighted = COMMANDS.map(([weight, arbitrary]) => ({ weight, arbitrary }));
  if (corrupts) weighted.push({ weight: 2, arbitrary: CORRUPT });
  return fc.array(fc.oneof(...weighted), { minLength: 3, maxLength: 20 });
}

const LIMIT_MS = 40 * 60_000;

export interface RunOptions {
  runs: number;
  seed: number;
  /** Where in the tree of examples a failing one is, as fast-check told it. */
  path?: string;
  corrupts: boolean;
}

/** Runs so many sequences, each on a log of its own. Rejects with the shortest that breaks a promise. */
export async function checkSequences({ runs, seed, path, corrupts }: RunOptions): Promise<void> {
  const disk = await Disk.make();
  const holds = async (commands: readonly Command[]) => {
    await withFolder(async (folder) => {
      disk.relent();
      const subject = await Subject.open(folder, disk);
      try {
        for (const { run } of commands) {
          await run(subject);
          await subject.check();
        }
        await subject.end();
      } finally {
        await subject.close();
      }
    });
  };
  await fc.assert(fc.asyncProperty(sequences(corrupts), holds), {
    numRuns: runs,
    seed,
    ...(path !== undefined && { path }),
    includeErrorInReport: true,
    // Shrinking runs sequences, too; a first answer soon is worth more than the shortest late.
    plugins: [fc.interruptAfterTimeLimit(LIMIT_MS, { failOnInterrupt: true })],
  });
}
