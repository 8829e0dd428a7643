// What a receiver has of each log, and what it lacks: a store's arrivals and notices, as a list for people.

import type { Gap } from '../records.js';
import type { SeqRange } from './ranges.js';
import type { Arrival, IngestStore } from './store.js';

/** One log's records of one kind, as far as they have arrived. */
export interface LogReport {
  kind: string;
  logId: string;
  /** Whose it is, and which of its logs, as the latest batch said. */
  service: string | undefined;
  instance: string | undefined;
  /** The highest seq that has arrived. */
  lastSeq: number;
  /** How many seqs up to there have not, neither as a record nor in a notice. 0: the log is whole. */
  missing: number;
  /** Where they are missing: the first 100 ranges, ascending. */
  holes: SeqRange[];
  /** The notices that came in the place of records, at most 100, ascending. */
  notices: Gap[];
}

export interface LogList {
  /** By kind and log id. */
  logs: LogReport[];
  /** Whether there are more. Ask for one kind, or one log. */
  truncated: boolean;
}

export interface LogQuery {
  kind?: string | undefined;
  logId?: string | undefined;
  /** Whether the logs of a service are listed. @default all are */
  isListed?: ((service: string | undefined) => boolean) | undefined;
  /** How many logs are listed at most. @default 1000 */
  logsMax?: number;
}

const LOGS_MAX = 1000;
const LISTED_MAX = 100;

/**
 * Lists what a store has of every log that batches named (`wal-log`). Of a log that a receiver has not followed
 * from its beginning, what came before is missing.
 */
export async function listLogs(store: IngestStore, query: LogQuery = {}): Promise<LogList> {
  const { kind, logId, isListed = () => true, logsMax = LOGS_MAX } = query;
  const logs: LogReport[] = [];
  for (const one of kind === undefined ? await store.kinds() : [kind]) {
    for await (const arrival of store.arrivals(one)) {
      if ((logId !== undefined && arrival.logId !== logId) || !isListed(arrival.service)) continue;
      const last = logs.at(-1);
      if (last?.kind === one && last.logId === arrival.logId) follow(last, arrival);
      else if (logs.length >= logsMax) return { logs: await withNotices(store, logs), truncated: true };
      else logs.push(follow(reportOf(one, arrival), arrival));
    }
  }
  return { logs: await withNotices(store, logs), truncated: false };
}

function reportOf(kind: string, { logId, service, instance }: Arrival): LogReport {
  return { kind, logId, service, instance, lastSeq: 0, missing: 0, holes: [], notices: [] };
}

/** Arrivals of a log come in ascending order: what lies between two is missing. */
function follow(report: LogReport, { from, to }: Arrival): LogReport {
  const hole = { from: report.lastSeq + 1, to: from - 1 };
  if (hole.from <= hole.to) {
    report.missing += hole.to - hole.from + 1;
    if (report.holes.length < LISTED_MAX) report.holes.push(hole);
  }
  report.lastSeq = to;
  return report;
}

/** Asked once the arrivals are read: two iterators at a time would be two connections of one listing. */
async function withNotices(store: IngestStore, logs: LogReport[]): Promise<LogReport[]> {
  for (const report of logs) {
    report.notices = await store.notices(report.kind, report.logId, LISTED_MAX);
    report.notices.sort((a, b) => a.from - b.from);
  }
  return logs;
}
