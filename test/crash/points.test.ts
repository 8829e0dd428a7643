// SIGKILL at every edge of the log's state, by name, and at random times: what was promised before is kept.
// In its long form, 500 services die.

import { cp, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalEvent } from '../../lib/events.js';
import { Wal } from '../../lib/wal.js';
import { withFolder } from '../helpers/folder.js';
import { skipIf } from '../helpers/skip.js';
import { isLong, rounds, seedOfRun } from './long.js';
import type { Point } from './points.js';
import { POINTS, labFolder, straceOptions } from './points.js';
import { Dice } from './points-random.js';
import { labOptions } from './points-orders.js';
import { runService, straceMissing } from './points-strace.js';
import { Witness } from './points-witness.js';

const it = suite('crash/points');
const noStrace = straceMissing();
const seed = seedOfRun();
process.stdout.write(`crash/points: WAL_SEED=${seed}\n`);

/** Services that die one after the other on one log. */
const LIVES = 6;
/** Steps of a service that is to die before it ends. */
const STEPS = 80;
const JOBS = 2;

/** One log, its witness, and the services that come and go. */
class Log {
  readonly #varDir: string;
  readonly #dice: Dice;
  readonly #witness = new Witness();
  #lives = 0;

  constructor(varDir: string, dice: Dice) {
    this.#varDir = varDir;
    this.#dice = dice;
  }

  /** Lets a service live until a point, or for a random time; returns whether it died there. */
  async live(point: Point | undefined): Promise<boolean> {
    const dice = this.#dice;
    const nth = dice.integer(1, point?.nthMax ?? 1);
    const orders = {
      varDir: this.#varDir,
      run: `r${++this.#lives}`,
      seed: dice.integer(0, 2 ** 31),
      steps: STEPS,
    };
    const isOld = this.#lives > 1;
    if (isOld) await point?.damage?.(labFolder(this.#varDir));
    const strace =
      point && (await straceOptions(point, this.#varDir, nth, dice.integer(2, point.fullAtMax ?? 2)));
    const end = await runService(
      { ...orders, ...(point && 'at' in point.kill && { die: { at: point.kill.at, nth } }) },
      this.#witness,
      {
        folder: dirname(this.#varDir),
        ...(strace && { strace }),
        ...(!point && { killAfterMs: dice.integer(300, 1500) }),
      },
    );
    if (end.by === 'failure') assert.unreachable(`the service failed:\n${end.output}`);
    if (end.by === 'fault')
      assert.ok(point?.fullAtMax !== undefined, 'only a refused commit ends in a fault');
    return end.by === 'kill';
  }

  /** Opens the log, or a copy of it so that the next service finds it as the dead one left it, and checks. */
  async check(): Promise<void> {
    const copy = `${this.#varDir}.copy`;
    // The control socket, also one that has no name yet, is no part of the log, and can't be copied.
    await cp(this.#varDir, copy, { recursive: true, filter: (path) => !/\.sock(\.new)?$/.test(path) });
    await this.#checkAt(copy, false);
    await rm(copy, { recursive: true, force: true });
  }

  async checkDrained(): Promise<void> {
    await this.#checkAt(this.#varDir, true);
  }

  async #checkAt(varDir: string, drains: boolean): Promise<void> {
    const events: WalEvent[] = [];
    const onEvent = (event: WalEvent) => void events.push(event);
    await using wal = await Wal.open<Record<string, object>>(labOptions(varDir, { onEvent }));
    await this.#witness.check(wal, events);
    if (drains) await this.#witness.checkDrained(wal);
  }
}

/** Every point as often as `count` allows, in random order; `undefined` is a random time. */
function schedule(count: number, points: readonly (Point | undefined)[], dice: Dice): (Point | undefined)[] {
  const drawn: (Point | undefined)[] = [];
  while (drawn.length < count) {
    const left = [...points];
    while (left.length > 0) drawn.push(...left.splice(dice.integer(0, left.length - 1), 1));
  }
  return drawn.slice(0, count);
}

/** Lets services die at points until the schedule is through; returns how often each point was reached. */
async function runAll(scheduled: readonly (Point | undefined)[], dice: Dice): Promise<Map<string, number>> {
  const reached = new Map<string, number>();
  const waiting = [...scheduled];
  const work = async () => {
    while (waiting.length > 0) {
      const points = waiting.splice(0, LIVES);
      const ownSeed = dice.integer(0, 2 ** 31);
      await withFolder(async (folder) => {
        const varDir = join(folder, 'var');
        await mkdir(varDir);
        const log = new Log(varDir, new Dice(ownSeed));
        const done: string[] = [];
        try {
          for (const point of points) {
            const name = point?.name ?? 'at a random time';
            done.push(name);
            if (await log.live(point)) reached.set(name, (reached.get(name) ?? 0) + 1);
            await log.check();
          }
          await log.checkDrained();
        } catch (error) {
          waiting.length = 0;
          process.stdout.write(`WAL_SEED=${seed}, log ${ownSeed}, after: ${done.join('; ')}\n`);
          throw error;
        }
      });
    }
  };
  await Promise.all(Array.from({ length: JOBS }, work));
  return reached;
}

function print(reached: ReadonlyMap<string, number>): void {
  if (!isLong) return;
  for (const [name, count] of [...reached].toSorted(([a], [b]) => a.localeCompare(b)))
    process.stdout.write(`${String(count).padStart(5)}  ${name}\n`);
}

skipIf(it, noStrace)('a service killed at any named point loses nothing that it promised', async () => {
  const dice = new Dice(seed);
  const reached = await runAll(schedule(rounds(3, 380), POINTS, dice), dice);
  print(reached);
  const missed = POINTS.filter(({ name }) => !reached.has(name)).map(({ name }) => name);
  if (isLong) assert.equal(missed, [], 'every point was reached');
});

it('a service killed at any time loses nothing that it promised', async () => {
  const dice = new Dice(seed + 1);
  const reached = await runAll(schedule(rounds(1, 120), [undefined], dice), dice);
  print(reached);
});

it.run();
