// The receiver as a process of its own: `receiver.js STORE`, a folder or postgres://…. Tokens are verified, every line
// is checked and kept. Answers any message with the CPU time that it and its database have used so far.

import {
  createIngestHandler,
  openLevelStore,
  openPostgresStore,
  serveIngest,
} from '../../lib/ingest/index.js';
import { TOKEN } from './contenders/wal.js';
import { cpuUsBelow } from './cpu.js';

/** What the parent gets: µs of all threads, and of all processes of the database. */
export interface CpuReply {
  cpuUs: number;
}

const [place, databasePid] = process.argv.slice(2);
if (place === undefined) throw new TypeError('expected a store');
const store = await (place.startsWith('postgres:') ? openPostgresStore(place) : openLevelStore(place));
// Records of the benchmark are of another service than the log that carries them.
const auth = { ...TOKEN, onBehalfOf: { bench: '*' } } as const;
const { url } = await serveIngest({ handler: createIngestHandler({ store, auth }) });
process.send?.({ url });
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const ofDatabase = databasePid === undefined ? 0 : cpuUsBelow(Number(databasePid));
  process.send?.({ cpuUs: user + system + ofDatabase } satisfies CpuReply);
});
process.once('disconnect', () => process.exit());
