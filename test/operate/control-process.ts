// Listens on the control socket of a folder: `control-process.ts DIR alone|cluster`. Alone it has a connection
// open and nothing else to do; in a cluster, a worker of it listens, and asks itself.

import cluster from 'node:cluster';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { askHolder } from '../../lib/operate/ask.js';
import { Control } from '../../lib/operate/control.js';

const [dir = '', how = ''] = process.argv.slice(2);

async function listen(): Promise<void> {
  await Control.listen({ dir, routes: { 'GET /v1/pid': () => ({ pid: process.pid }) } });
}

if (how === 'alone') {
  process.disconnect?.();
  await listen();
  const socket = connect(join(dir, 'control.sock'));
  await once(socket, 'connect');
  socket.unref();
} else if (cluster.isPrimary) {
  const worker = cluster.fork();
  worker.on('message', (message) => process.send?.(message));
} else {
  await listen();
  process.send?.([process.pid, await askHolder(dir, 'GET', '/v1/pid')]);
}
