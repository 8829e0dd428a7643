// A JetStream broker that is SIGKILLed twice while records come in. It refuses only what is larger than it takes: that
// is what makes bad records bad here.

import { setTimeout as pause } from 'node:timers/promises';
import type { Dice } from '../crash/points-random.js';
import { STREAM, startNats } from '../helpers/nats.js';
import type { NatsServer } from '../helpers/nats.js';
import type { Destination, RunningDestination } from './destination.js';

const KILLS = 2;
/** Between two looks at how many messages there are, in ms. */
const PACE_MS = 10;

export const jetStream: Destination = {
  name: 'JetStream',
  start: async (folder, _script, dice, records): Promise<RunningDestination> => {
    const broker = await startNats(folder);
    await broker.addStream();
    const done = { 'SIGKILL of the broker': 0 };
    const ended = new AbortController();
    const killing = killAtTimes(broker, dice, records, done, ended.signal);
    return {
      sink: { is: 'jetstream', servers: broker.servers, user: broker.user, stream: STREAM },
      faults: done,
      async *stored(kind) {
        await killing;
        for (const { line } of await broker.read(`wal.*.${kind}`)) yield line;
      },
      [Symbol.asyncDispose]: async () => {
        ended.abort();
        await killing;
        await broker.stop();
      },
    };
  },
};

async function killAtTimes(
  broker: NatsServer,
  dice: Dice,
  records: number,
  done: { 'SIGKILL of the broker': number },
  signal: AbortSignal,
): Promise<void> {
  for (let kill = 1; kill <= KILLS; kill++) {
    // The last messages but a few may be the last that come.
    const killAt = dice.integer(1, Math.floor(records / 4)) + ((kill - 1) * records) / 2;
    while (!signal.aborted && (await broker.count()) < killAt) await pause(PACE_MS);
    if (signal.aborted) return;
    await broker.kill();
    await broker.start();
    done['SIGKILL of the broker']++;
  }
}
