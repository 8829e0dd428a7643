// The other end of deliveries, a process of its own: reads each body and answers a receipt, as little as a
// receiver can do. How many lines a body has is in its idempotency key; nothing is inflated, kept or checked.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const KEY_PATTERN = /:(\d+)-(\d+):[0-9a-f]{8}$/;

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    const [, first, last] = KEY_PATTERN.exec(String(request.headers['idempotency-key'])) ?? [];
    const accepted = Number(last) - Number(first) + 1;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ accepted }));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}` });
});
// The parent is done, or gone.
process.once('disconnect', () => process.exit());
