// The other end of a soak, a process of its own: an HTTP receiver that goes away and comes back as it is told. It
// keeps nothing, but follows each stream's seqs: a hole that no notice stands for is a promise broken.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { WireLine } from '../../lib/records.js';

export type Order = 'go' | 'come back' | 'report';

/** By kind: everything up to `seq` has arrived, of it `noticed` seqs as notices. */
export type Report = Record<string, { seq: number; noticed: number; holes: number }>;

const report: Report = {};

function take(line: string): void {
  const wire = JSON.parse(line) as WireLine;
  const stream = (report[wire.kind] ??= { seq: 0, noticed: 0, holes: 0 });
  const from = 'gap' in wire ? wire.gap.from : wire.seq;
  if (from > stream.seq + 1) stream.holes++;
  // What is sent again is no news.
  const fresh = Math.max(0, wire.seq - Math.max(stream.seq, from - 1));
  if ('gap' in wire) stream.noticed += fresh;
  stream.seq = Math.max(stream.seq, wire.seq);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return String(gunzipSync(Buffer.concat(chunks)));
}

const server = createServer((request, response) => {
  void bodyOf(request).then(
    (body) => {
      const lines = body.split('\n').slice(0, -1);
      for (const line of lines) take(line);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ accepted: lines.length }));
    },
    // Cut off in the midst of a request: the sender knows.
    () => response.destroy(),
  );
});

async function listen(port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const port = await listen(0);
process.on('message', (order: Order) => {
  if (order === 'go') {
    server.close();
    server.closeAllConnections();
  } else if (order === 'come back') void listen(port);
  else process.send!(report);
});
// The parent is done, or gone.
process.once('disconnect', () => process.exit());
process.send!({ url: `http://127.0.0.1:${port}` });
