// This library, as a service uses it: everything at its default but the reserve, which is written once in a
// log's life and would be measured here each time.

import type { LogRecord, Sink, WalOptions } from '../../../lib/index.js';
import { Wal, httpSink, jetStreamSink } from '../../../lib/index.js';
import type { Appender, Contender } from './contender.js';

/** What the library sends its tokens with, and the receiver takes. */
export const TOKEN = {
  issuer: 'bench',
  audience: 'bench',
  secret: 'a secret of the benchmark, 32 bytes or more',
};

export function walOptions(dir: string): WalOptions {
  return { service: 'bench', varDir: dir, reserveBytes: 0 };
}

export async function openWal(dir: string): Promise<Wal> {
  return await Wal.open(walOptions(dir));
}

/** Fills a log with a backlog: so many records, so many at once. */
export async function fill(
  log: Wal,
  records: readonly LogRecord[],
  count: number,
  together: number,
): Promise<void> {
  for (let done = 0; done < count;) {
    const start = done % records.length;
    const some = records.slice(start, start + Math.min(together, count - done));
    await log.appendMany('log', some);
    done += some.length;
  }
}

/** By what the address says: a stream of a broker, or a receiver. */
function sinkTo(address: string): Sink {
  const { protocol, host, username, password, pathname } = new URL(address);
  if (protocol !== 'nats:') return httpSink({ baseUrl: address, token: TOKEN });
  const user = { name: username, password };
  return jetStreamSink({ servers: `nats://${host}`, stream: pathname.slice(1), user });
}

function appenderOf(log: Wal): Appender {
  return {
    append: (record) => log.append('log', record),
    appendMany: (records) => log.appendMany('log', records),
    close: () => log.close(),
  };
}

export const wal: Contender = {
  openAppender: async ({ dir }) => appenderOf(await openWal(dir)),

  openPath: async ({ dir, sinkUrl }) => {
    const log = await openWal(dir);
    const shipper = log.ship('log', sinkTo(sinkUrl));
    return {
      ...appenderOf(log),
      drained: async () => {
        await shipper.idle();
        return deliveredOf(log);
      },
    };
  },

  prepareDelivery: async ({ dir, sinkUrl }, job, records) => {
    const log = await openWal(dir);
    await fill(log, records, job.records, job.recordsPerEntry);
    return {
      deliver: async () => {
        await log.ship('log', sinkTo(sinkUrl)).idle();
        return deliveredOf(log);
      },
      close: () => log.close(),
    };
  },
};

function deliveredOf(log: Wal): number {
  return log.stats().streams['log']?.shippers['default']?.delivered ?? 0;
}
