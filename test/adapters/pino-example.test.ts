// The shop that logs through the transport, hit with requests, killed, started again, and compared at the receiver.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogRecord } from '../../lib/index.js';
import { startChild } from '../helpers/child.js';
import { withCompiled } from '../helpers/compile.js';
import { withFolder } from '../helpers/folder.js';
import { withReceiver } from '../helpers/receiver.js';
import { hit, shopEnv } from './shop.js';

const it = suite('adapters/pino-example');

it('what was flushed before an answer arrives exactly once after SIGKILL; after SIGTERM, everything', async () => {
  const script = new URL('../examples/pino/service.ts', import.meta.url);
  await withCompiled(script, (compiled) =>
    withReceiver({}, (receiver) =>
      withFolder(async (varDir) => {
        const env = shopEnv(varDir, receiver.url);
        const first = startChild(compiled, [], env);
        const url = (await first.next()) as string;
        await hit(url, 'orders', 1, 50);
        await hit(url, 'payments', 51, 60, 'POST');
        await first.kill();

        const second = startChild(compiled, [], env);
        await hit((await second.next()) as string, 'orders', 61, 100);
        process.kill(second.pid, 'SIGTERM');
        await second.ended;

        const numbers: number[] = [];
        for await (const { line } of receiver.store.lines('log')) {
          const { record } = JSON.parse(line.toString()) as { record: LogRecord };
          numbers.push(Number((record.data as { number: string }).number));
        }
        assert.equal(
          numbers.toSorted((a, b) => a - b),
          Array.from({ length: 100 }, (_, n) => n + 1),
        );
      }),
    ),
  );
});

it.run();
