// A receiver in a process of its own, so that its memory is its own: `hostile-process.ts STORE`. Small limits, so that
// they are met soon. Says its URL when it listens; answers any message with how much memory it has held at most.

import { createIngestHandler, openLevelStore, serveIngest } from '../../lib/ingest/index.js';
import { AUDIENCE, ISSUER, SECRET } from '../helpers/receiver.js';

const [dir] = process.argv.slice(2);
if (dir === undefined) throw new TypeError('expected the folder of the store');
const store = await openLevelStore(dir);
const handler = createIngestHandler({
  store,
  auth: { issuer: ISSUER, audience: AUDIENCE, secret: SECRET },
  limits: { pendingBytesMax: 67_108_864 },
});
const { url } = await serveIngest({
  handler,
  headersTimeoutMs: 300,
  requestTimeoutMs: 600,
  connectionsMax: 40,
});
process.send!(url);
process.on('message', () => {
  void store.count('audit').then((stored) => {
    process.send!({ maxRssMiB: process.resourceUsage().maxRSS / 1024, stored });
  });
});
