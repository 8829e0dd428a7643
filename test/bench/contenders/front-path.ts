// The rest of the way, the same for every store behind the front: read back, deflate, post, and remove what was
// taken. As the library does, the next body is made while one is on its way.

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Pool } from 'undici';
import type { LogRecord } from '../../../lib/index.js';
import type { Contender, Path } from './contender.js';
import type { GroupStore } from './front.js';
import { Front } from './front.js';
import { post, requestHeaders } from './post.js';

const gzipped = promisify(gzip);

/** Lines in a body: as many as the library sends. */
const LINES_MAX = 2000;
/** As fast as it gets, as the library deflates. */
const GZIP_LEVEL = 1;

interface Ready {
  readonly gzip: Buffer;
  readonly count: number;
  readonly lastSeq: number;
}

/** A contender that is a store behind the front. */
export function behindFront(openStore: (dir: string) => Promise<GroupStore>): Contender {
  return {
    openAppender: async ({ dir }) => new Front(await openStore(dir)),
    openPath: async ({ dir, sinkUrl }) => new FrontPath(new Front(await openStore(dir)), sinkUrl),
  };
}

class FrontPath implements Path {
  readonly #front: Front;
  readonly #pool: Pool;
  readonly #running: Promise<void>;
  #isClosed = false;
  /** Nothing waits for a full body. */
  #hurried = false;
  #wake = () => {};

  constructor(front: Front, sinkUrl: string) {
    this.#front = front;
    this.#pool = new Pool(sinkUrl, { connections: 1, pipelining: 1 });
    front.onWritten(() => this.#wake());
    this.#running = this.#run();
    // Told by `drained`, or by `close`.
    this.#running.catch(() => {});
  }

  append(record: LogRecord): Promise<unknown> {
    return this.#front.append(record);
  }

  appendMany(records: readonly LogRecord[]): Promise<unknown> {
    return this.#front.appendMany(records);
  }

  async drained(): Promise<number> {
    this.#hurried = true;
    this.#wake();
    while (this.#front.removedTo < this.#front.durableSeq) {
      await Promise.race([new Promise(setImmediate), this.#running]);
    }
    this.#hurried = false;
    return this.#front.removedTo;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#running;
    await this.#pool.close();
    await this.#front.close();
  }

  async #run(): Promise<void> {
    let next = this.#prepare(0);
    for (let ready = await next; ready; ready = await next) {
      next = this.#prepare(ready.lastSeq);
      // Should the post fail, that is what is told.
      next.catch(() => {});
      await post(this.#pool, { headers: requestHeaders(), body: ready.gzip, count: ready.count });
      this.#front.remove(ready.lastSeq);
    }
  }

  /** The body behind a seq, as soon as it is a full one; `undefined` once closed. */
  async #prepare(after: number): Promise<Ready | undefined> {
    for (;;) {
      if (this.#isClosed) return undefined;
      const waiting = this.#front.durableSeq - after;
      if (waiting >= LINES_MAX || (this.#hurried && waiting > 0)) break;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const { bytes, count } = await this.#front.read(after, LINES_MAX);
    return { gzip: await gzipped(bytes, { level: GZIP_LEVEL }), count, lastSeq: after + count };
  }
}
