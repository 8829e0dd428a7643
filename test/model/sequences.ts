// Any sequence of what can happen to a log, as fast-check makes it, and the run that checks each.

import * as fc from 'fast-check';
import { withFolder } from '../helpers/folder.js';
import { Disk } from './disk.js';
import type { Refusal } from './disk.js';
import type { About, Cursor, Kind, Receiver } from './subject.js';
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
const failing = fc.constantFrom<Receiver>('down', 'refusing', 'liar');
const abouts = fc.constantFrom<About>('nothing', 'appending', 'shipping');
const refusals = (how: Refusal['with']) =>
  fc.array(fc.record<Refusal>({ with: fc.constant(how), isThere: fc.boolean() }), {
    minLength: 1,
    maxLength: 3,
  });
const counts = fc.integer({ min: 1, max: 30 });
const sizes = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 500, max: 4000 }));
const ms = (min: number, max: number) => fc.tuple(fc.integer({ min, max }));

const COMMANDS: readonly [weight: number, command: fc.Arbitrary<Command>][] = [
  [3, command('append', fc.tuple(kinds, sizes), (s, kind, bytes) => s.append(kind, bytes))],
  [
    5,
    command('appendMany', fc.tuple(kinds, counts, sizes), (s, kind, count, bytes) =>
      s.appendMany(kind, count, bytes),
    ),
  ],
  // Twice is more than a log may hold.
  [2, command('fill', fc.tuple(kinds), (s, kind) => s.appendMany(kind, 30, 20_000))],
  [2, command('appendAtOnce', fc.tuple(kinds, counts), (s, kind, count) => s.appendAtOnce(kind, count))],
  [1, command('offer', fc.tuple(kinds), (s, kind) => s.offer(kind))],
  [3, command('ship', fc.tuple(cursors), (s, cursor) => s.ship(cursor, 'up'))],
  [3, command('sinkFails', fc.tuple(cursors, failing), (s, cursor, how) => s.ship(cursor, how))],
  [2, command('sinkRefusesSome', fc.tuple(cursors), (s, cursor) => s.ship(cursor, 'poison'))],
  [1, command('evict', fc.tuple(fc.integer({ min: 0, max: 60_000 })), (s, bytes) => s.evict(bytes))],
  [1, command('evictOlder', ms(0, 100_000), (s, age) => s.evictOlder(age))],
  [
    2,
    command('replay', fc.tuple(cursors, fc.double({ min: 0, max: 1, noNaN: true })), (s, cursor, share) =>
      s.replay(cursor, share),
    ),
  ],
  [1, command('timePasses', ms(1, 3_000_000), (s, by) => s.advance(by))],
  [1, command('clockJumps', ms(-100_000_000, 100_000_000), (s, by) => s.jump(by))],
  [1, command('compact', fc.tuple(), (s) => s.compact())],
  [1, command('close', fc.tuple(kinds, fc.nat(5)), (s, kind, appends) => s.close(kind, appends))],
  [1, command('reopen', fc.tuple(), (s) => s.reopen())],
  [2, command('crash', fc.tuple(abouts), (s, about) => s.crash(about))],
  [1, command('diskIsFull', fc.tuple(refusals('full')), (s, given) => s.refuse(given))],
  [1, command('diskFails', fc.tuple(refusals('error')), (s, given) => s.refuse(given))],
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

export interface RunOptions {
  runs: number;
  seed: number;
  /** Where in the tree of examples a failing one is, as a failure told it. */
  path?: string | undefined;
  corrupts: boolean;
  /** How long to run and, on a failure, to look for a shorter one, in ms. */
  searchMsMax: number;
  /** Called after each sequence that kept the promises. */
  onKept?: () => void;
}

/** Runs so many sequences, each on a log of its own. Rejects with the shortest that breaks a promise, and how to have it again. */
export async function checkSequences({
  runs,
  seed,
  path,
  corrupts,
  searchMsMax,
  onKept,
}: RunOptions): Promise<void> {
  const disk = await Disk.make();
  const keepsItsPromises = async (commands: readonly Command[]) => {
    await withFolder(async (folder) => {
      disk.relent();
      await using subject = await Subject.open(folder, disk);
      for (const { run } of commands) {
        await run(subject);
        await subject.check();
      }
      await subject.end();
    });
    onKept?.();
  };
  const details = await fc.check(fc.asyncProperty(sequences(corrupts), keepsItsPromises), {
    numRuns: runs,
    seed,
    // One that is had again is not to be shrunk again.
    ...(path !== undefined && { path, endOnFailure: true }),
    includeErrorInReport: true,
    plugins: [fc.interruptAfterTimeLimit(searchMsMax, { failOnInterrupt: true })],
  });
  if (!details.failed) return;
  const where = `--seed ${seed}${details.counterexamplePath === null ? '' : ` --path ${details.counterexamplePath}`}`;
  const again = `npm run test:model -- ${where}${corrupts ? ' --corrupts' : ''}`;
  throw new Error(`${fc.defaultReportMessage(details)}\n\nAgain: ${again}`);
}
