// Reading a backlog out and making gzip bodies of it, and nothing else: no post, no acknowledgement. The way that a
// shipper's batches come to be, without the shipper.

import { openOwn } from '../../../lib/opening.js';
import { Loader } from '../../../lib/ship/loader.js';
import type { Contender } from './contender.js';
import { fill, openWal, walOptions } from './wal.js';

const BATCH_BYTES_MAX = 1_048_576;

export const prepareAssembly: NonNullable<Contender['prepareAssembly']> = async ({ dir }, job, records) => {
  {
    await using log = await openWal(dir);
    await fill(log, records, job.records, job.recordsPerEntry);
  }
  const { log, config } = await openOwn(walOptions(dir));
  const stop = new AbortController();
  const loader = new Loader({
    log,
    kind: 'log',
    clock: config.clock,
    lingerMs: 0,
    batchMax: config.batchMax,
    batchBytes: BATCH_BYTES_MAX,
    notices: true,
    gzips: false,
    signal: stop.signal,
    onLost: ({ from, to }) => {
      throw new Error(`records ${from} to ${to} can't be read`);
    },
  });
  return {
    deliver: async () => {
      let assembled = 0;
      loader.rewind(0);
      // One is read ahead, as a shipper does.
      let next = loader.ready();
      for (let loaded = await next; loaded; loaded = await next) {
        next = loader.ready();
        await loaded.batch.gzip();
        assembled += loaded.records;
      }
      return assembled;
    },
    close: async () => {
      stop.abort();
      await log.close();
    },
  };
};
