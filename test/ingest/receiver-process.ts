// A receiver in a process of its own, for tests that kill it: `receiver-process.ts STORE`. Says its URL when it listens.

import { createIngestHandler, openLevelStore, serveIngest } from '../../lib/ingest/index.js';

const [dir] = process.argv.slice(2);
if (dir === undefined) throw new TypeError('expected the folder of the store');
const store = await openLevelStore(dir);
const handler = createIngestHandler({
  store,
  auth: false,
  onError: (error) => process.stderr.write(`${String(error)}\n`),
});
const { url } = await serveIngest({ handler });
process.stdout.write(`${url}\n`);
