// The reference receiver in a process of its own, behind the proxy, with whatever store.

import type { IngestStore } from '../../lib/ingest/index.js';
import type { Dice } from '../crash/points-random.js';
import { startChild } from '../helpers/child.js';
import type { RunningDestination } from './destination.js';
import { Proxy } from './proxy.js';

export interface ReceiverPlan {
  readonly script: URL;
  readonly dice: Dice;
  /** What the receiver's process is told of its store: see receiver.ts. */
  readonly place: string;
  /** Opens the store, once the receiver is gone. */
  readonly openStore: () => Promise<IngestStore>;
}

export async function startReceiver(plan: ReceiverPlan): Promise<RunningDestination> {
  const { script, dice, place, openStore } = plan;
  const receiver = startChild(script, ['receiver', place]);
  const proxy = await Proxy.start({ url: String(await receiver.next()) }, dice);
  let store: IngestStore | undefined;
  return {
    sink: { is: 'http', baseUrl: proxy.url },
    faults: proxy.done,
    async *stored(kind) {
      await receiver.kill();
      store ??= await openStore();
      for await (const { line } of store.lines(kind)) yield line.toString();
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await receiver.kill();
      await store?.close();
    },
  };
}
