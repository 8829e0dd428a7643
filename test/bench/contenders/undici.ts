// The limit of delivering: undici posts bodies that are there already, the very bodies that the library sends,
// one after another as it must. Nothing is read, compressed, signed or deleted.

import { Pool } from 'undici';
import type { Sink } from '../../../lib/index.js';
import type { Contender } from './contender.js';
import type { Post } from './post.js';
import { post, requestHeaders } from './post.js';
import { fill, openWal } from './wal.js';

/** By backlog: all measurements of a process send the same ones. */
const prepared = new Map<string, readonly Post[]>();

export const undici: Contender = {
  prepareDelivery: async ({ dir, sinkUrl }, job, records) => {
    const key = `${job.content}/${job.records}/${job.recordsPerEntry}`;
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

async function postAll(pool: Pool, posts: readonly Post[]): Promise<number> {
  let delivered = 0;
  for (const one of posts) delivered += await post(pool, one);
  return delivered;
}

/** A sink that keeps what it is given, as requests to be sent. */
function collector(): { sink: Sink; posts: Post[] } {
  const posts: Post[] = [];
  const sink: Sink = {
    name: 'collector',
    send: async (batch) => {
      const headers = requestHeaders(batch.logId, batch.instance, batch.id);
      posts.push({ headers, body: await batch.gzip(), count: batch.count });
      return { accepted: batch.count };
    },
  };
  return { sink, posts };
}
