// The reference receiver with its LevelDB store, behind the proxy.

import { join } from 'node:path';
import { openLevelStore } from '../../lib/ingest/index.js';
import type { IngestStore } from '../../lib/ingest/index.js';
import type { Dice } from '../crash/points-random.js';
import { startChild } from '../helpers/child.js';
import type { Destination, RunningDestination } from './destination.js';
import { Proxy } from './proxy.js';

export const level: Destination = {
  name: 'the receiver on LevelDB',
  start: async (folder: string, script: URL, dice: Dice): Promise<RunningDestination> => {
    const dir = join(folder, 'store');
    const receiver = startChild(script, ['receiver', dir]);
    const proxy = await Proxy.start({ url: String(await receiver.next()) }, dice);
    let store: IngestStore | undefined;
    return {
      sink: { is: 'http', baseUrl: proxy.url },
      faults: proxy.done,
      async *stored(kind) {
        await receiver.kill();
        store ??= await openLevelStore(dir);
        for await (const { line } of store.lines(kind)) yield line.toString();
      },
      [Symbol.asyncDispose]: async () => {
        await proxy[Symbol.asyncDispose]();
        await receiver.kill();
        await store?.close();
      },
    };
  },
};
