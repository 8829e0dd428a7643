// Whether everything that was acknowledged is at the receiver, once: its store against the ledger, and against
// what the producers had told or what the files held.

import type { WalStats, WireLine } from '../../index.js';
import type { IngestStore } from '../../ingest/index.js';
import { counted } from '../output.js';
import type { Tally } from './input.js';
import { keyOf } from './records.js';

export interface StreamVerdict {
  appended: number;
  delivered: number;
  dropped: number;
  quarantined: number;
  lost: number;
  backlog: number;
  /** Records whose append (or import) was acknowledged to the producer's parent. */
  acknowledged: number;
  /** Records in the receiver's store. */
  received: number;
  /** Acknowledged records that are not there. */
  missing: number;
  /** Records that are there a second time. */
  twice: number;
}

export interface Verdict {
  streams: Record<string, StreamVerdict>;
  /** What is missing, by id or by file and line; at most 1,000. */
  missing: string[];
  /** A sentence for each thing that is wrong; none where all is well. */
  reasons: string[];
}

/**
 * What a record is that has arrived: `again` where it was expected less often, `unknown` where nobody has heard
 * of it, so that nothing can be said of it: its producer was killed before it could tell.
 */
type Arrival = 'expected' | 'again' | 'unknown';

/** What must have arrived. */
export interface Expectation {
  /** How many records of a kind. */
  count(kind: string): number;
  /** Takes a record that has arrived. */
  take(kind: string, id: string, record: Record<string, unknown>): Arrival;
  /** What was not taken. `count` where several are equal. */
  left(): Iterable<{ kind: string; what: string; count: number }>;
}

const MISSING_MAX = 1000;

export async function check(stats: WalStats, store: IngestStore, expectation: Expectation): Promise<Verdict> {
  const verdict: Verdict = { streams: {}, missing: [], reasons: [] };
  for (const [kind, { lastSeq, shippers }] of Object.entries(stats.streams)) {
    const cursor = shippers['default'];
    if (lastSeq === 0 || !cursor) continue;
    const { delivered, dropped, quarantined, lost, backlogRecords: backlog, startSeq } = cursor;
    const arrived = await readArrived(store, kind, expectation);
    verdict.streams[kind] = {
      appended: lastSeq - startSeq,
      delivered,
      dropped,
      quarantined,
      lost,
      backlog,
      acknowledged: expectation.count(kind),
      received: arrived.records,
      missing: 0,
      twice: arrived.twice,
    };
    const absent = lastSeq - arrived.seqs;
    if (absent > 0) verdict.reasons.push(`${counted(absent, 'seq')} of ${kind} never arrived`);
  }
  for (const { kind, what, count } of expectation.left()) {
    const stream = (verdict.streams[kind] ??= emptyVerdict(expectation.count(kind)));
    stream.missing += count;
    if (verdict.missing.length < MISSING_MAX) verdict.missing.push(what);
  }
  for (const [kind, stream] of Object.entries(verdict.streams))
    verdict.reasons.push(...reasonsOf(kind, stream));
  return verdict;
}

/** What is wrong with one stream. */
function reasonsOf(kind: string, stream: StreamVerdict): string[] {
  const { appended, received } = stream;
  const wrong = (['missing', 'twice', 'dropped', 'quarantined', 'lost', 'backlog'] as const)
    .filter((name) => stream[name] > 0)
    .map((name) => `${counted(stream[name], 'record')} of ${kind}: ${name}`);
  if (appended !== received) {
    wrong.push(`${counted(appended, 'record')} of ${kind} appended, but ${received} received`);
  }
  return wrong;
}

/** Walks what the receiver has of a kind. */
async function readArrived(
  store: IngestStore,
  kind: string,
  expectation: Expectation,
): Promise<{ records: number; twice: number; seqs: number }> {
  const seqs = new Set<number>();
  let records = 0;
  let twice = 0;
  for await (const { line } of store.lines(kind)) {
    const parsed = JSON.parse(line.toString('utf8')) as WireLine;
    if ('gap' in parsed) {
      for (let seq = parsed.gap.from; seq <= parsed.gap.to; seq++) seqs.add(seq);
      continue;
    }
    records++;
    const arrival = expectation.take(kind, parsed.id, parsed.record);
    // A seq under a second id would be a second time, too, whatever its content.
    if (arrival === 'again' || seqs.has(parsed.seq)) twice++;
    seqs.add(parsed.seq);
  }
  return { records, twice, seqs: seqs.size };
}

/** What `append` has acknowledged: by id, and with the content that it had. */
export function expectAcknowledged(acknowledged: ReadonlyMap<string, string>): Expectation {
  const left = new Map(acknowledged);
  const keys = new Set(acknowledged.values());
  const counts = new Map<string, number>();
  for (const id of acknowledged.keys()) counts.set(kindOf(id), (counts.get(kindOf(id)) ?? 0) + 1);
  return {
    count: (kind) => counts.get(kind) ?? 0,
    take(_kind, id, record) {
      const key = keyOf(record);
      if (key === undefined || !keys.has(key)) return 'unknown';
      return left.get(id) === key && left.delete(id) ? 'expected' : 'again';
    },
    *left() {
      for (const id of left.keys()) yield { kind: kindOf(id), what: id, count: 1 };
    },
  };
}

/**
 * What files held, but for the lines that the import has named as unreadable.
 *
 * @param stats Where the log stood when the import was through: everything in it was acknowledged then.
 */
export function expectTally(tally: Tally, unreadable: ReadonlySet<string>, stats: WalStats): Expectation {
  return {
    count: (kind) => stats.streams[kind]?.lastSeq ?? 0,
    take: (kind, _id, record) => (tally.take(kind, record) ? 'expected' : 'again'),
    *left() {
      for (const { kind, left, place } of tally.left()) {
        if (!unreadable.has(place)) yield { kind, what: place, count: left };
      }
    },
  };
}

function emptyVerdict(acknowledged: number): StreamVerdict {
  const ledger = { appended: 0, delivered: 0, dropped: 0, quarantined: 0, lost: 0, backlog: 0 };
  return { ...ledger, acknowledged, received: 0, missing: 0, twice: 0 };
}

/** A record's id is `<writer>:<kind>:<seq>`. */
function kindOf(id: string): string {
  return id.split(':')[1] ?? '';
}
