// Where a workload delivers: the process at the other end, and the database behind it.

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { STREAM, natsMissing, startNats } from '../helpers/nats.js';
import { postgresMissing, startPostgres } from '../helpers/postgres.js';
import { Child } from './child.js';
import { cpuUsOf } from './cpu.js';
import type { Destination } from './job.js';
import type { CpuReply } from './receiver.js';

export interface Started extends AsyncDisposable {
  /** Where it can be reached. To be called once. */
  url(): Promise<string>;
  /** CPU time that it has used so far, its database included; `undefined` where that does not matter. */
  cpuUs(): Promise<number | undefined>;
}

/** As a stream is made unless told otherwise. */
const DUPLICATE_WINDOW_NANOS = 120_000_000_000;

/** Why there is no such destination on this machine, or `false`. */
export function missing(destination: Destination | undefined): string | false {
  if (destination === 'postgres') return postgresMissing;
  return destination === 'jetstream' && natsMissing;
}

/** `dir`: on the disk that is measured. */
export async function startDestination(to: Destination, modules: string, dir: string): Promise<Started> {
  switch (to) {
    case 'count':
      return started(new Child(join(modules, 'sink.js')));
    case 'level':
      return started(new Child(join(modules, 'receiver.js'), [join(dir, 'store')]), true);
    case 'postgres':
      return await startReceiverOnPostgres(modules, dir);
    case 'jetstream':
      return await startBroker(dir);
    default:
      return to satisfies never;
  }
}

async function startReceiverOnPostgres(modules: string, dir: string): Promise<Started> {
  // The database runs as another user where this one is root.
  await chmod(dir, 0o755);
  const server = await startPostgres(dir);
  const sink = new Child(join(modules, 'receiver.js'), [server.url, String(server.pid())]);
  return started(sink, true, () => server.stop());
}

async function startBroker(dir: string): Promise<Started> {
  const broker = await startNats(dir);
  const { name, password } = broker.writer;
  return {
    url: async () => {
      await broker.addStream({ duplicate_window: DUPLICATE_WINDOW_NANOS });
      return `nats://${name}:${password}@${new URL(broker.servers).host}/${STREAM}`;
    },
    cpuUs: async () => cpuUsOf(broker.pid()),
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}

function started(sink: Child, measured = false, stop?: () => Promise<void>): Started {
  return {
    url: async () => ((await sink.next()) as { url: string }).url,
    cpuUs: async () => (measured ? ((await sink.ask({ is: 'cpu' })) as CpuReply).cpuUs : undefined),
    [Symbol.asyncDispose]: async () => {
      await sink.stop();
      await stop?.();
    },
  };
}
