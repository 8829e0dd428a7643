// The receiver, and what makes bad records bad: some are refused by id, others spoil the whole request.

import { gunzipSync } from 'node:zlib';
import {
  createIngestHandler,
  openLevelStore,
  openPostgresStore,
  serveIngest,
} from '../../lib/ingest/index.js';
import type { IngestHandler, IngestStore } from '../../lib/ingest/index.js';
import { SECRET } from './producer.js';

/** Argument: the store, by its folder or its URL. Says its URL when it listens. */
export async function receive([place = '']: string[]): Promise<void> {
  const store = await (place.startsWith('postgres:') ? openPostgresStore(place) : openLevelStore(place));
  const auth = { issuer: 'chaos', audience: 'chaos', secret: SECRET };
  const handler = spoiled(createIngestHandler({ store: choosy(store), auth }));
  const { url } = await serveIngest({ handler });
  process.send?.(url);
}

/** A store that takes no line that is bad by id. */
function choosy(store: IngestStore): IngestStore {
  const isBad = (bytes: Buffer) => bytes.includes('"bad":"by id"');
  return {
    store: async (batch) => {
      const lines = batch.lines.filter(({ bytes }) => !isBad(bytes));
      const conflicts = batch.lines.filter(({ bytes }) => isBad(bytes)).map(({ id }) => id);
      const stored =
        lines.length > 0
          ? await store.store({ ...batch, lines })
          : { accepted: 0, duplicates: 0, conflicts: [] };
      return { ...stored, conflicts: [...stored.conflicts, ...conflicts] };
    },
    count: (kind) => store.count(kind),
    lines: (kind) => store.lines(kind),
    kinds: () => store.kinds(),
    arrivals: (kind) => store.arrivals(kind),
    notices: (...asked) => store.notices(...asked),
    ownerOf: (logId) => store.ownerOf(logId),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** A handler that answers 400 to any body with a line that spoils it. */
function spoiled(handler: IngestHandler): IngestHandler {
  return async (request) => {
    const body = Buffer.from(await request.arrayBuffer());
    const lines = request.headers.get('content-encoding') === 'gzip' ? gunzipSync(body) : body;
    if (lines.includes('"bad":"whole batch"')) return new Response('what is this?', { status: 400 });
    return await handler(new Request(request.url, { method: 'POST', headers: request.headers, body }));
  };
}
