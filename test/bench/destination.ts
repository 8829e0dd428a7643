// Where a workload delivers: the process at the other end, and the database behind it.

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { postgresMissing, startPostgres } from '../helpers/postgres.js';
import { Child } from './child.js';
import type { Destination } from './job.js';
import type { CpuReply } from './receiver.js';

export interface Started extends AsyncDisposable {
  readonly sink: Child;
  /** CPU time that it has used so far, its database included; `undefined` where that does not matter. */
  cpuUs(): Promise<number | undefined>;
}

/** Why there is no such destination on this machine, or `false`. */
export function missing(destination: Destination | undefined): string | false {
  return destination === 'postgres' && postgresMissing;
}

/** `dir`: on the disk that is measured. */
export async function startDestination(to: Destination, modules: string, dir: string): Promise<Started> {
  if (to === 'count') return started(new Child(join(modules, 'sink.js')));
  if (to === 'level') return started(new Child(join(modules, 'receiver.js'), [join(dir, 'store')]), true);
  // The database runs as another user where this one is root.
  await chmod(dir, 0o755);
  const server = await startPostgres(dir);
  const sink = new Child(join(modules, 'receiver.js'), [server.url, String(server.pid())]);
  return started(sink, true, () => server.stop());
}

function started(sink: Child, measured = false, stop?: () => Promise<void>): Started {
  return {
    sink,
    cpuUs: async () => (measured ? ((await sink.ask({ is: 'cpu' })) as CpuReply).cpuUs : undefined),
    [Symbol.asyncDispose]: async () => {
      await sink.stop();
      await stop?.();
    },
  };
}
