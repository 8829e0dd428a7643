// The example services, started for real, asked for real, killed and started again; and what the receiver has of
// their events in the end.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { unended } from '../../lib/adapters/audit.js';
import type { AuditRecord } from '../../lib/index.js';
import { withFolder } from '../helpers/folder.js';
import type { Receiver } from '../helpers/receiver.js';
import { withReceiver } from '../helpers/receiver.js';
import type { Service } from './example-process.js';
import { environment, withService } from './example-process.js';
import { ACCOUNT, Traffic } from './example-traffic.js';

const it = suite('adapters/examples');

const SEED = Number(process.env['WAL_SEED'] ?? 1);
const ANSWERS = 100;

type Event = AuditRecord & {
  ctx: { requestId: string; operation: { id: string; phase: string } };
  data?: { status?: number };
};

async function linesOf({ store }: Receiver): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of store.lines('audit')) lines.push(line.toString());
  return lines;
}

/** Starts an example, again and again on the same log, with the receiver there. */
async function withExample(
  name: 'express/service' | 'fastify/service' | 'audit/worker',
  use: (receiver: Receiver, run: <T>(work: (service: Service) => Promise<T>) => Promise<T>) => Promise<void>,
): Promise<void> {
  await withReceiver({}, async (receiver) => {
    await withFolder(async (folder) => {
      const varDir = join(folder, 'var');
      await mkdir(varDir);
      const env = environment(varDir, receiver);
      await use(receiver, (work) =>
        withService(new URL(`../examples/${name}.ts`, import.meta.url), env, work),
      );
    });
  });
}

async function checkPairs(receiver: Receiver, traffic: Traffic): Promise<void> {
  const lines = await linesOf(receiver);
  const events = new Map<string, Event[]>([...traffic.sent].map((id) => [id, []]));
  for (const line of lines) {
    const { record } = JSON.parse(line) as { record: Event };
    events.get(record.ctx.requestId)!.push(record);
  }
  for (const [id, status] of traffic.answered) {
    const [begin, end, ...more] = events.get(id)!;
    assert.equal([begin?.outcome, end?.data?.status, more], ['begun', status, []], id);
    assert.is(begin?.ctx.operation.id, end?.ctx.operation.id, id);
  }
  let aborted = 0;
  for (const id of traffic.sent) {
    if (traffic.answered.has(id)) continue;
    const phases = events.get(id)!.map(({ ctx }) => ctx.operation.phase);
    assert.ok(['', 'begin', 'begin,end'].includes(phases.join()), `${id}: ${phases.join()}`);
    if (events.get(id)!.at(-1)?.outcome === 'aborted') aborted++;
  }
  assert.ok(aborted > 0);
  for await (const { record } of unended(lines)) {
    assert.not.ok(traffic.answered.has((record as Event).ctx.requestId), 'answered, and never ended');
  }
  assert.not.match(lines.join('\n'), ACCOUNT);
}

for (const name of ['express/service', 'fastify/service'] as const) {
  it(`${name}: every request that got an answer has its pair once, through SIGKILL and SIGTERM`, async () => {
    process.stdout.write(`\nseed ${SEED}\n`);
    const traffic = new Traffic(SEED);
    await withExample(name, async (receiver, run) => {
      const listening = async (service: Service) => (await service.printed(/listening on (\S+)/))[1]!;
      await run(async (service) => {
        await traffic.run(await listening(service), ANSWERS, () => service.signal('SIGKILL'));
      });
      const code = await run(async (service) => {
        await traffic.run(await listening(service), ANSWERS, () => service.signal('SIGTERM'));
        return await service.ended;
      });
      assert.is(code, 0, 'everything was answered and delivered');
      assert.ok(traffic.answered.size >= 2 * ANSWERS);
      await checkPairs(receiver, traffic);
    });
  });
}

it('audit: what began before a crash and never ended is found at the receiver', async () => {
  await withExample('audit/worker', async (receiver, run) => {
    await run(async (worker) => {
      for (const payout of ['a 100', 'b -1', 'silent 300']) worker.tell(payout);
      await worker.printed(/begun silent/);
      await worker.signal('SIGKILL');
    });
    const code = await run(async (worker) => {
      worker.tell('c 400');
      worker.end();
      return await worker.ended;
    });
    assert.is(code, 0);
    const lines = await linesOf(receiver);
    const outcomes = lines.map((line) => (JSON.parse(line) as { record: Event }).record.outcome);
    assert.equal(outcomes.toSorted(), ['begun', 'begun', 'begun', 'begun', 'failed', 'ok', 'ok']);
    const open: unknown[] = [];
    for await (const { record } of unended(lines)) open.push(record.resource);
    assert.equal(open, ['silent']);
  });
});

it.run();
