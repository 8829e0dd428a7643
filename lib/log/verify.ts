// Checks everything that a log promises of itself against every byte it holds: seals, lines, ids, contiguity,
// offsets, and the ledger's equation. Reads one frozen view; changes nothing.

import { messageOf } from '../errors.js';
import { decodeEntry } from './entry.js';
import type { Entry } from './entry.js';
import { linesOf } from './gzip.js';
import { keys, parseKey, sectionRange, unseal } from './keyspace.js';
import { backlogOf, keptAside } from './ledger.js';
import { loadStreams, rowsOf } from './open.js';
import type { StreamState } from './state.js';
import { noticedBytes } from './state.js';
import type { Store, StoreSnapshot } from './store.js';

export interface Problem {
  kind: string;
  seq?: number;
  what: string;
}

export interface VerifyReport {
  ok: boolean;
  /** Records that were read and found whole. */
  records: number;
  /** At most 1,000; one more says that there are others. */
  problems: Problem[];
}

const PROBLEMS_MAX = 1000;

/** Checks the whole log. Deleted space is pinned meanwhile, so a long walk over a busy log holds more disk. */
export async function verifyLog(store: Store, onProgress?: (records: number) => void): Promise<VerifyReport> {
  return await verifyLines(walkLog(store), onProgress);
}

/** An entry to check the lines of; in the end, what else was found. */
export type Walk = AsyncGenerator<{ entry: Entry }, VerifyReport>;

/**
 * Walks over everything and checks all of it but the entries' lines: those take far longer, and can be checked elsewhere
 * (`verifyLines`). Whoever does not walk to its end returns it: it holds a snapshot.
 */
export async function* walkLog(store: Store): Walk {
  const snapshot = store.snapshot();
  const report: VerifyReport = { ok: true, records: 0, problems: [] };
  try {
    const aside = await verifySeals(store, snapshot, (...found) => note(report, ...found));
    for (const stream of (await loadStreams(store, snapshot)).values()) {
      const { kind } = stream;
      const walk = new StreamWalk(stream, (what, seq) => note(report, kind, what, seq));
      for await (const [key, value] of rowsOf(store, sectionRange('entry', kind), snapshot)) {
        const entry = decodeEntry(kind, key, value);
        walk.entry(key, entry);
        if (entry) yield { entry };
      }
      walk.end();
      verifyAside(stream, aside, (what) => note(report, kind, what));
    }
  } catch (error) {
    // Where the small values can't be read, there is no equation to check.
    note(report, '', messageOf(error));
  } finally {
    await snapshot.close();
  }
  return report;
}

/** Checks the lines of what a walk passes. What the walk or `onProgress` throws ends it. */
export async function verifyLines(
  walk: Walk,
  onProgress?: (records: number) => void | Promise<void>,
): Promise<VerifyReport> {
  const report: VerifyReport = { ok: true, records: 0, problems: [] };
  try {
    for (;;) {
      const next = await walk.next();
      if (next.done) return joined(next.value, report);
      const { entry } = next.value;
      const problem = await problemOfLines(entry);
      if (problem) note(report, entry.kind, problem.what, problem.seq);
      else report.records += entry.count;
      await onProgress?.(report.records);
    }
  } finally {
    await walk.return(report);
  }
}

function note(report: VerifyReport, kind: string, what: string, seq?: number): void {
  report.ok = false;
  if (report.problems.length < PROBLEMS_MAX) report.problems.push({ kind, what, ...(seq && { seq }) });
  else if (report.problems.length === PROBLEMS_MAX) report.problems.push({ kind: '', what: 'and more' });
}

function joined(walked: VerifyReport, lines: VerifyReport): VerifyReport {
  const both: VerifyReport = { ok: true, records: walked.records + lines.records, problems: [] };
  for (const { kind, what, seq } of [...walked.problems, ...lines.problems]) note(both, kind, what, seq);
  return both;
}

/** What is wrong with an entry's lines. */
async function problemOfLines(entry: Entry): Promise<{ what: string; seq: number } | undefined> {
  const { kind, firstSeq, count } = entry;
  const lines = (await linesOf(entry))?.toString('utf8').split('\n');
  if (lines?.pop() !== '' || lines.length !== count) {
    return { what: 'its lines do not match their checksum or count', seq: firstSeq };
  }
  const bad = lines.findIndex((line, n) => {
    const seq = firstSeq + n;
    const id =
      /^\{"id":"[0-9A-Z]{16}:([a-z0-9_-]+):(\d+)","seq":(\d+),"kind":"([a-z0-9_-]+)","record":\{/.exec(line);
    return !id || id[1] !== kind || id[4] !== kind || Number(id[2]) !== seq || Number(id[3]) !== seq;
  });
  return bad < 0 ? undefined : { what: 'its line is not of this seq and kind', seq: firstSeq + bad };
}

type Report = (kind: string, what: string, seq?: number) => void;

/** The small values' seals: the entries' are checked on the walk. Returns how many records each cursor has put aside. */
async function verifySeals(
  store: Store,
  snapshot: StoreSnapshot,
  problem: Report,
): Promise<ReadonlyMap<string, number>> {
  const aside = new Map<string, number>();
  for (const section of ['meta', 'head', 'cursor', 'notice', 'quarantine', 'import'] as const) {
    for await (const [key, value] of rowsOf(store, sectionRange(section), snapshot)) {
      if (unseal(key, value) === undefined) {
        problem(parseKey(key)?.kind ?? '', `the stored value of ${key} does not match its checksum`);
      } else if (section === 'quarantine') {
        const whose = key.slice(0, key.lastIndexOf(':'));
        aside.set(whose, (aside.get(whose) ?? 0) + 1);
      }
    }
  }
  return aside;
}

/** What a cursor has put aside is there, but for what was sent again. More may be: of a cursor that was given up. */
function verifyAside(
  { kind, cursors }: StreamState,
  aside: ReadonlyMap<string, number>,
  problem: (what: string) => void,
): void {
  for (const [shipper, cursor] of cursors) {
    const there = aside.get(keys.quarantine(kind, shipper, 0).replace(/:\d+$/, '')) ?? 0;
    const expected = keptAside(cursor);
    if (there < expected) problem(`${shipper} has put ${expected} records aside, ${there} are there`);
  }
}

/** One stream, from its head up. */
class StreamWalk {
  readonly #stream: StreamState;
  readonly #problem: (what: string, seq?: number) => void;
  /** By cursor: records above its position that are there. */
  readonly #backlog = new Map<string, number>();
  #next: number;
  #offset: number;

  constructor(stream: StreamState, problem: (what: string, seq?: number) => void) {
    this.#stream = stream;
    this.#problem = problem;
    this.#next = stream.head.seq + 1;
    this.#offset = stream.head.offset;
    for (const shipper of stream.cursors.keys()) this.#backlog.set(shipper, 0);
  }

  /** Takes the next entry. */
  entry(key: string, entry: Entry | undefined): void {
    if (!entry) {
      this.#problem(`the stored value of ${key} does not match its checksum`, this.#next);
      return;
    }
    this.#skipNotices();
    const { firstSeq, lastSeq, offset, size } = entry;
    if (firstSeq > this.#next) this.#problem(`${this.#next} to ${firstSeq - 1} are missing`, this.#next);
    else if (firstSeq < this.#next) this.#problem(`stored again, or below the head: ${key}`, firstSeq);
    if (firstSeq === this.#next && offset !== this.#offset) {
      this.#problem(`expected offset ${this.#offset}, found ${offset}`, firstSeq);
    }
    this.#next = lastSeq + 1;
    this.#offset = offset + size;
    for (const [shipper, cursor] of this.#stream.cursors) {
      const behind = Math.max(0, lastSeq - Math.max(cursor.seq, firstSeq - 1));
      this.#backlog.set(shipper, (this.#backlog.get(shipper) ?? 0) + behind);
    }
  }

  #skipNotices(): void {
    for (const notice of this.#stream.notices) {
      if (notice.from > this.#next || notice.to < this.#next) continue;
      this.#offset += notice.bytes;
      this.#next = notice.to + 1;
    }
  }

  /** Nothing more is stored: the end and every cursor must agree with what was seen. */
  end(): void {
    this.#skipNotices();
    const stream = this.#stream;
    if (this.#next <= stream.lastSeq) {
      this.#problem(`${this.#next} to ${stream.lastSeq} are missing`, this.#next);
    }
    if (noticedBytes(stream, stream.head.seq) > stream.endOffset - stream.head.offset) {
      this.#problem('notices account for more bytes than there ever were');
    }
    for (const [shipper, cursor] of stream.cursors) {
      const stored = this.#backlog.get(shipper) ?? 0;
      const expected = backlogOf(cursor, stream.lastSeq);
      if (stored !== expected) {
        const { startSeq, seq, delivered, dropped, quarantined, lost } = cursor;
        this.#problem(
          `the ledger of ${shipper} does not add up: appended ${stream.lastSeq - startSeq} = delivered ${delivered}` +
            ` + dropped ${dropped} + quarantined ${quarantined} + lost ${lost} + backlog ${expected},` +
            ` but ${stored} records are stored behind its cursor at ${seq}`,
          cursor.seq,
        );
      }
    }
  }
}
