// The receiver as a process of its own: `receiver.js STORE`, a folder or postgres://…. Tokens are verified, every line
// is checked and kept. Answers any message with the CPU time that it and its database have used so far.

import { readFileSync, readdirSync } from 'node:fs';
import {
  createIngestHandler,
  openLevelStore,
  openPostgresStore,
  serveIngest,
} from '../../lib/ingest/index.js';
import { TOKEN } from './contenders/wal.js';

/** What the parent gets: µs of all threads, and of all processes of the database. */
export interface CpuReply {
  cpuUs: number;
}

/** The kernel counts a process's time in these. */
const TICK_US = 10_000;

const [place, databasePid] = process.argv.slice(2);
if (place === undefined) throw new TypeError('expected a store');
const store = await (place.startsWith('postgres:') ? openPostgresStore(place) : openLevelStore(place));
// Records of the benchmark are of another service than the log that carries them.
const auth = { ...TOKEN, onBehalfOf: { bench: '*' } } as const;
const { url } = await serveIngest({ handler: createIngestHandler({ store, auth }) });
process.send?.({ url });
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const ofDatabase = databasePid === undefined ? 0 : cpuUsBelow(databasePid);
  process.send?.({ cpuUs: user + system + ofDatabase } satisfies CpuReply);
});
process.once('disconnect', () => process.exit());

/** Of a process's children, by Linux's account: those of PostgreSQL live as long as their connections. */
function cpuUsBelow(parent: string): number {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      // The name in parentheses may hold anything; what follows it are numbers.
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (fields[1] === parent) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended since.
    }
  }
  return ticks * TICK_US;
}
