// The limit of delivering: undici posts bodies that are there already, the very bodies that the library sends,
// one after another as it must. Nothing is read, compressed, signed or deleted.

import { Pool } from 'undici';
import type { Sink } from '../../../lib/index.js';
import type { Contender } from './contender.js';
import { fill, openWal } from './wal.js';

interface Prepared {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly count: number;
}

/** As long as a token of the library's. The sink does not look at it. */
const TOKEN_LENGTH = 250;

/** By backlog: all measurements of a process send the same ones. */
const prepared = new Map<string, readonly Prepared[]>();

export const undici: Contender = {
  prepareDelivery: async ({ dir, sinkUrl }, job, records) => {
    const key = `${job.records}/${job.recordsPerEntry}`;
    let posts = prepared.get(key);
    if (!posts) {
      await using log = await openWal(dir);
      await fill(log, records, job.records, job.recordsPerEntry);
      const bodies = collector();
      await log.ship('log', bodies.sink).idle();
      posts = bodies.posts;
      prepared.set(key, posts);
    }
    const pool = new Pool(sinkUrl, { connections: 1, pipelining: 1 });
    return {
      deliver: () => postAll(pool, posts),
      close: () => pool.close(),
    };
  },
};

async function postAll(pool: Pool, posts: readonly Prepared[]): Promise<number> {
  let delivered = 0;
  for (const { headers, body, count } of posts) {
    const answer = await pool.request({ method: 'POST', path: '/api/log/v1/ingest', headers, body });
    const { accepted } = (await answer.body.json()) as { accepted: number };
    if (answer.statusCode !== 200 || accepted !== count)
      throw new Error(`the sink took ${accepted} of ${count}`);
    delivered += accepted;
  }
  return delivered;
}

/** A sink that keeps what it is given, as requests to be sent. */
function collector(): { sink: Sink; posts: Prepared[] } {
  const posts: Prepared[] = [];
  const sink: Sink = {
    name: 'collector',
    send: async (batch) => {
      const headers = {
        'content-type': 'application/x-ndjson',
        'content-encoding': 'gzip',
        'wal-log': batch.logId,
        'wal-instance': batch.instance,
        'idempotency-key': batch.id,
        authorization: `Bearer ${'x'.repeat(TOKEN_LENGTH)}`,
      };
      posts.push({ headers, body: await batch.gzip(), count: batch.count });
      return { accepted: batch.count };
    },
  };
  return { sink, posts };
}
