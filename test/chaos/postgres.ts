// The reference receiver with its PostgreSQL store, on a server of the test's own.

import { openPostgresStore } from '../../lib/ingest/index.js';
import { startPostgres } from '../helpers/postgres.js';
import { startReceiver } from './behind-proxy.js';
import type { Destination } from './destination.js';

export const postgres: Destination = {
  name: 'the receiver on PostgreSQL',
  start: async (_folder, script, dice) => {
    const server = await startPostgres();
    const place = server.url;
    const running = await startReceiver({ script, dice, place, openStore: () => openPostgresStore(place) });
    return {
      ...running,
      [Symbol.asyncDispose]: async () => {
        await running[Symbol.asyncDispose]();
        await server.stop();
      },
    };
  },
};
