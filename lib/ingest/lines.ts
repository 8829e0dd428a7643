// The lines of a body: which are what a log sends, and what is wrong with the others. Pure.

import { gapId } from '../records.js';
import type { Gap, GapReason } from '../records.js';
import { Refusal } from './refusal.js';
import type { IngestLine } from './store.js';

export interface LineLimits {
  lineBytesMax: number;
  linesMax: number;
}

/** What a line must fit: the path's kind, the sender's log where the request names it, and who is calling. */
export interface LineContext {
  kind: string;
  logId: string | undefined;
  /** Whether records that say they are of this service may be written; without it, those of any. */
  mayWriteFor?: ((service: unknown) => boolean) | undefined;
}

export interface Rejection {
  id: string;
  /** For people; at most 200 characters. */
  reason: string;
}

export interface CheckedLines {
  /** Lines in the body. */
  count: number;
  acceptable: IngestLine[];
  rejected: Rejection[];
}

const NEWLINE = 0x0a;
/** Longer than any id: 64 of a log id, 32 of a kind and two seqs. Ids are echoed, so they are bounded. */
const ID_CHARS_MAX = 256;
const REASON_CHARS_MAX = 200;
export const LOG_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
const WRITER_ID_CHARS = 16;
/** 80 bits in Crockford's base32, which has no I, L, O and U. */
const WRITER_ID_PATTERN = /^[0-9A-HJKMNP-TV-Z]{16}$/;
/** A date, or a date and a time; captures the zone, which may be empty. */
const ISO_PATTERN = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?(Z|[+-]\d{2}:\d{2}|)$/;
/** Beyond it no Date can be. */
const TIME_MS_MAX = 8.64e15;
const GAP_REASONS: ReadonlySet<unknown> = new Set<GapReason>([
  'size',
  'age',
  'disk-full',
  'corrupt',
  'quarantined',
]);

/**
 * Checks every line of a body that is UTF-8. The last line's `\n` may be missing; members that are not known
 * are let through, as a newer sender may have reason to add some.
 *
 * @throws {Refusal} 400 where a line can't be answered for by id: no JSON object, or without a usable id.
 *   413 at the bounds.
 */
export function checkLines(body: Buffer, context: LineContext, limits: LineLimits): CheckedLines {
  const checked: CheckedLines = { count: 0, acceptable: [], rejected: [] };
  for (let start = 0; start < body.length;) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline === -1 ? body.length : newline;
    checked.count++;
    if (checked.count > limits.linesMax) {
      throw new Refusal(413, 'too_many_lines', `the body has more than ${limits.linesMax} lines`);
    }
    if (end - start > limits.lineBytesMax) {
      const { lineBytesMax } = limits;
      throw new Refusal(413, 'line_too_large', `line ${checked.count} has more than ${lineBytesMax} bytes`);
    }
    checkLine(body.subarray(start, end), context, checked);
    start = end + 1;
  }
  if (checked.count === 0) throw new Refusal(400, 'empty_body', 'the body has no line');
  return checked;
}

function checkLine(bytes: Buffer, context: LineContext, checked: CheckedLines): void {
  const line = parseLine(bytes, checked.count);
  const { id } = line;
  if (typeof id !== 'string' || id === '' || id.length > ID_CHARS_MAX) {
    throw badLine(checked.count, `has no id of 1 to ${ID_CHARS_MAX} characters`);
  }
  const reason = reasonAgainst(id, line, context);
  if (reason !== undefined) checked.rejected.push({ id, reason: reason.slice(0, REASON_CHARS_MAX) });
  // The checks above are what makes these assertions true.
  else {
    const gap = line['gap'] as Gap | undefined;
    const ts = gap ? undefined : timeOf((line['record'] as Record<string, unknown>)['ts']);
    checked.acceptable.push({ id, seq: line['seq'] as number, gap, ts, bytes });
  }
}

/** A record's `ts` as epoch ms, where it is that or ISO 8601. A time that names no zone is one of UTC. */
export function timeOf(ts: unknown): number | undefined {
  let ms = NaN;
  if (typeof ts === 'number') ms = ts;
  else if (typeof ts === 'string') {
    const [, zone] = ISO_PATTERN.exec(ts) ?? [];
    // Date.parse takes a time without a zone for one of wherever this runs.
    if (zone !== undefined) ms = Date.parse(zone === '' && ts.includes('T') ? `${ts}Z` : ts);
  }
  return Math.abs(ms) <= TIME_MS_MAX ? ms : undefined;
}

function parseLine(bytes: Buffer, number: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // Not even the parser's word on it: that quotes the record, and senders log what they are answered.
    throw badLine(number, 'is not JSON');
  }
  if (!isObject(value)) throw badLine(number, 'is not a JSON object');
  return value;
}

function badLine(number: number, what: string): Refusal {
  return new Refusal(400, 'bad_line', `line ${number} ${what}`.slice(0, REASON_CHARS_MAX));
}

/** What is wrong with a line, or `undefined`. */
function reasonAgainst(id: string, line: Record<string, unknown>, context: LineContext): string | undefined {
  const { kind, seq } = line;
  if (kind !== context.kind) return `expected kind '${context.kind}', as in the path`;
  if (!isSeq(seq)) return `expected seq to be an integer from 1 to ${Number.MAX_SAFE_INTEGER}`;
  const hasRecord = Object.hasOwn(line, 'record');
  if (hasRecord === Object.hasOwn(line, 'gap')) return 'expected either a record or a gap';
  return hasRecord
    ? reasonAgainstRecord(id, seq, context, line['record'])
    : reasonAgainstGap(id, seq, context, line['gap']);
}

function reasonAgainstRecord(
  id: string,
  seq: number,
  { kind, mayWriteFor }: LineContext,
  record: unknown,
): string | undefined {
  const rest = `:${kind}:${seq}`;
  const fits = id.length === WRITER_ID_CHARS + rest.length && id.endsWith(rest);
  if (!fits || !WRITER_ID_PATTERN.test(id.slice(0, WRITER_ID_CHARS))) {
    return `expected the id to be a writer id and '${rest}'`;
  }
  if (!isObject(record)) return 'expected record to be an object';
  // Kinds of one's own need not name a service: such a record is of the service that sent it.
  if (record['service'] === undefined || !mayWriteFor || mayWriteFor(record['service'])) return undefined;
  return "expected record.service to be the caller's, or one that it may write for";
}

function reasonAgainstGap(id: string, seq: number, context: LineContext, gap: unknown): string | undefined {
  if (!isObject(gap)) return 'expected gap to be an object';
  const { from, to, reason, at } = gap;
  if (!isSeq(from) || !isSeq(to) || from > to) return 'expected gap.from and gap.to to be seqs in order';
  if (seq !== to) return 'expected seq to be gap.to';
  if (!GAP_REASONS.has(reason)) return `expected gap.reason to be one of ${[...GAP_REASONS].join(', ')}`;
  if (!Number.isSafeInteger(at) || (at as number) < 0) return 'expected gap.at to be epoch ms';
  // Whose log it is can be checked for a request only.
  if (context.logId === undefined && context.mayWriteFor)
    return 'expected wal-log to name the log of a notice';
  const logId = context.logId ?? id.slice(0, id.indexOf(':'));
  if (!LOG_ID_PATTERN.test(logId) || id !== gapId(logId, context.kind, { from, to })) {
    return `expected the id to be '<log id>:${context.kind}:gap:${from}-${to}'`;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
