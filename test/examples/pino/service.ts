// A service that has pino already, and takes the transport: VAR_DIR, WAL_BASE_URL and WAL_S2S_* as everywhere. Says its
// URL when it listens. GET /orders/:n is logged; POST /payments/:n is answered once everything logged before is on disk.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { exitOnSignals } from '../../../lib/adapters/pino.js';
import type { PinoTransportOptions } from '../../../lib/adapters/pino.js';
import { walOptionsFromEnv } from '../../../lib/index.js';

// In a service of your own: '@nv/wal/pino'.
const target = fileURLToPath(new URL('../../../lib/adapters/pino.js', import.meta.url));
const options: PinoTransportOptions = { ...walOptionsFromEnv('shop'), reserveBytes: 0, drainMs: 8000 };
const log = pino(pino.transport({ target, options }));
const flush = promisify((done: (error?: Error) => void) => log.flush(done));
exitOnSignals();

const server = createServer((request, response) => {
  const { method, url = '/' } = request;
  const [, what, number] = url.split('/');
  log.info({ category: what, method, number }, 'asked');
  const logged = method === 'POST' ? flush() : Promise.resolve();
  logged.then(
    () => response.end(`${what} ${number}\n`),
    () => response.writeHead(503).end(),
  );
});

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
// Whoever started it is gone.
process.once('disconnect', () => process.exit());
