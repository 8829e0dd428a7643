// A receiver in a process of its own, for tests that kill it: `receiver-process.ts STORE`, a folder or postgres://….
// Says its URL when it listens.

import {
  createIngestHandler,
  openLevelStore,
  openPostgresStore,
  serveIngest,
} from '../../lib/ingest/index.js';

const [place] = process.argv.slice(2);
if (place === undefined) throw new TypeError('expected a store');
const store = await (place.startsWith('postgres:') ? openPostgresStore(place) : openLevelStore(place));
const handler = createIngestHandler({
  store,
  auth: false,
  onError: (error) => process.stderr.write(`${String(error)}\n`),
});
const { url } = await serveIngest({ handler });
process.stdout.write(`${url}\n`);
