// A service that appends and ships both kinds. May be SIGKILLed at any moment: what is in its file of ids was
// acknowledged before.

import { openSync, writeSync } from 'node:fs';
import type { Clock, Sink } from '../../lib/index.js';
import { Wal, httpSink, jetStreamSink } from '../../lib/index.js';
import { systemClock } from '../../lib/clock.js';
import { Dice } from '../crash/points-random.js';
import type { ChaosRecord, SinkPlan } from './destination.js';

export const SECRET = 'a secret of the chaos test, long enough';

export interface ProducerPlan {
  readonly varDir: string;
  /** Ids go here as soon as their append has resolved; bad ones end in ` bad`. */
  readonly acknowledged: string;
  readonly sink: SinkPlan;
  /** Records that the log should have been given when this ends. */
  readonly records: number;
  readonly batchMax: number;
  /** One of so many records is bad. */
  readonly badOneIn: number;
  readonly seed: number;
}

const KINDS = ['log', 'audit'] as const;
/** What is refused needs another record behind it as evidence. */
const GOOD_AT_THE_END = 50;
const APPENDED_AT_ONCE_MAX = 20;
/** More than the broker of the tests takes in one message. */
const TOO_LARGE_CHARS = 65_536;
/** Waits are real here, so time runs faster: a minute's wait takes 1.2 seconds. */
const SPEED = 50;

/** As the system's, but for how fast it runs. The wall clock is what others see, so it stays. */
const fastClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() * SPEED,
  sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal),
};

/** Where to deliver to. Another destination is another case here. */
function sinkOf(plan: SinkPlan): Sink {
  switch (plan.is) {
    case 'http': {
      const token = { issuer: 'chaos', audience: 'chaos', secret: SECRET };
      return httpSink({ baseUrl: plan.baseUrl, token, timeoutMs: 15_000 }, fastClock);
    }
    case 'jetstream': {
      const { servers, user, stream } = plan;
      return jetStreamSink({ servers, user, stream }, fastClock);
    }
    default:
      return plan satisfies never;
  }
}

/** Argument: a `ProducerPlan` as JSON. Says how many records the log has been given, and in the end `done`. */
export async function produce([argument = '']: string[]): Promise<void> {
  const plan = JSON.parse(argument) as ProducerPlan;
  const acknowledged = openSync(plan.acknowledged, 'a');
  const dice = new Dice(plan.seed);
  await using wal = await Wal.open<Record<(typeof KINDS)[number], object>>({
    service: 'chaos',
    varDir: plan.varDir,
    reserveBytes: 0,
    adopt: false,
    clock: fastClock,
  });
  const sink = sinkOf(plan.sink);
  const shippers = KINDS.map((kind) => wal.ship(kind, sink, { batchMax: plan.batchMax }));
  const given = () => KINDS.reduce((sum, kind) => sum + wal.stats().streams[kind]!.lastSeq, 0);
  for (let n = given(); n < plan.records;) {
    const kind = dice.pick(KINDS);
    const records = Array.from({ length: dice.integer(1, APPENDED_AT_ONCE_MAX) }, () =>
      recordOf(n++, n < plan.records - GOOD_AT_THE_END ? plan.badOneIn : Infinity, plan.sink, dice),
    );
    const receipts = await wal.appendMany(kind, records);
    // One write: it is there whole, or not at all.
    const lines = receipts.map(({ id }, at) => `${id}${records[at]!.bad ? ' bad' : ''}\n`);
    writeSync(acknowledged, lines.join(''));
    process.send?.(given());
  }
  await Promise.all(shippers.map((shipper) => shipper.idle()));
  process.send?.('done');
}

function recordOf(n: number, badOneIn: number, sink: SinkPlan, dice: Dice): ChaosRecord {
  const isBad = dice.chance(1 / badOneIn);
  const isTooLarge = isBad && sink.is === 'jetstream';
  const text = 'é'.repeat(isTooLarge ? TOO_LARGE_CHARS : dice.integer(0, 100));
  return isBad ? { n, bad: dice.pick(['by id', 'whole batch']), text } : { n, text };
}
