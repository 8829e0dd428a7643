// What a receiver has of each log, and what it lacks: a store's arrivals and notices, as a report for people.

import type { Gap } from '../records.js';
import type { SeqRange } from './ranges.js';
import type { Arrival, IngestStore } from './store.js';

/** One log's records of one kind, as far as they have arrived. */
export interface LogReport {
  kind: string;
  logId: string;
  /** Who sent it last, as its token and headers said. */
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

const LISTED_MAX = 100;

/**
 * Reports on every log that batches named (`wal-log`), kind by kind. A log that a receiver has not followed from
 * its beginning lacks what came before.
 */
export async function* logReports(
  store: IngestStore,
  only: { kind?: string | undefined; logId?: string | undefined } = {},
): AsyncIterable<LogReport> {
  for (const kind of only.kind === undefined ? await store.kinds() : [only.kind]) {
    let report: LogReport | undefined;
    for await (const arrival of store.arrivals(kind)) {
      if (only.logId !== undefined && arrival.logId !== only.logId) continue;
      if (report?.logId !== arrival.logId) {
        if (report) yield await withNotices(store, report);
        const { logId, service, instance } = arrival;
        report = { kind, logId, service, instance, lastSeq: 0, missing: 0, holes: [], notices: [] };
      }
      follow(report, arrival);
    }
    if (report) yield await withNotices(store, report);
  }
}

/** Arrivals of a log come in ascending order: what lies between two is missing. */
function follow(report: LogReport, { from, to }: Arrival): void {
  const hole = { from: report.lastSeq + 1, to: from - 1 };
  if (hole.from <= hole.to) {
    report.missing += hole.to - hole.from + 1;
    if (report.holes.length < LISTED_MAX) report.holes.push(hole);
  }
  report.lastSeq = to;
}

async function withNotices(store: IngestStore, report: LogReport): Promise<LogReport> {
  const notices: Gap[] = [];
  for await (const notice of store.notices(report.kind, report.logId)) {
    notices.push(notice);
    if (notices.length === LISTED_MAX) break;
  }
  return { ...report, notices: notices.toSorted((a, b) => a.from - b.from) };
}
