// The shop, hit with requests, killed, started again, and compared at the receiver.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { IngestStore } from '../../lib/ingest/index.js';
import type { LogRecord } from '../../lib/index.js';
import { startChild } from '../helpers/child.js';
import { withCompiled } from '../helpers/compile.js';
import { withFolder } from '../helpers/folder.js';
import { withReceiver } from '../helpers/receiver.js';
import { until } from '../helpers/until.js';
import { hit, shopEnv } from './shop.js';

const it = suite('adapters/logger-example');

/** Answers with a policy, and counts how often it was asked by whom. */
async function withPolicyService(answer: object, use: (url: string, asked: string[]) => Promise<void>) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/log/v1/config`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function received(store: IngestStore): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const { line } of store.lines('log')) {
    records.push((JSON.parse(line.toString()) as { record: LogRecord }).record);
  }
  return records;
}

const numberOf = ({ data }: LogRecord) => Number((data as { number: string }).number);

it('what was logged before an event that is durable arrives exactly once, whatever happens then', async () => {
  const script = new URL('../examples/logger/service.ts', import.meta.url);
  const policy = { persist: { info: { orders: true, payments: true }, warn: false } };
  await withCompiled(script, (compiled) =>
    withReceiver({}, (receiver) =>
      withPolicyService(policy, (policyUrl, asked) =>
        withFolder(async (varDir) => {
          const env = { ...shopEnv(varDir, receiver.url), POLICY_URL: policyUrl };
          const first = startChild(compiled, [], env);
          const url = (await first.next()) as string;
          await hit(url, 'orders', 1, 50);
          await hit(url, 'elsewhere', 1, 5);
          await hit(url, 'payments', 51, 51, 'POST');
          await hit(url, 'orders', 52, 70);
          await first.kill();

          const second = startChild(compiled, [], env);
          await hit((await second.next()) as string, 'orders', 71, 90);
          process.kill(second.pid, 'SIGTERM');
          assert.is(await second.ended, 0);

          await until(() => asked.length >= 2);
          assert.ok(asked.every((path) => path === '/api/log/v1/config?service=shop'));
          const records = await received(receiver.store);
          assert.ok(records.every(({ level, service }) => level === 'info' && service === 'shop'));
          assert.ok(records.every((record) => record.ctx?.['request'] === `r${numberOf(record)}`));
          const numbers = records.map(numberOf);
          assert.is(new Set(numbers).size, numbers.length, 'nothing comes twice');
          const had = new Set(numbers);
          // The log was killed with 52 to 70 on their way: `offer` does not wait. All others are there.
          const sure = [...Array(91).keys()].slice(1).filter((n) => n <= 51 || n > 70);
          assert.equal(
            sure.filter((n) => !had.has(n)),
            [],
          );
          assert.is(await receiver.store.count('audit'), 1);
        }),
      ),
    ),
  );
});

it.run();
