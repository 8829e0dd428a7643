// What an HTTP answer means for a batch: section "on the wire" as a pure function. Knows no sockets, no retries.
// Whether the ids in `rejected` are the batch's own is not judged here: only the shipper has the lines.

import { httpDate } from './http-date.js';
import type { FailureKind, Receipt } from './sink.js';

/** An HTTP answer, as far as it was read. */
export interface Answer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
  /** The body went on beyond `body`: it can't be a receipt, whatever it begins with. */
  truncated: boolean;
}

/** Why an answer settles nothing; what a `SinkError` is made of. */
export interface Failure {
  failure: FailureKind;
  /** Continues a sentence that begins with who answered: `answered 503`. */
  reason: string;
  status: number;
  /** From `Retry-After`: 0 to 3,600,000 ms. */
  retryAfterMs?: number;
  /** The beginning of the body, at most 1,024 characters. */
  response?: string;
}

export type Outcome = { settled: Receipt } | { failed: Failure };

const RESPONSE_CHARS_MAX = 1024;
/** A destination may ask for patience, not for silence without end. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/**
 * What `answer` says about a batch of `batchCount` lines.
 *
 * `acceptEmpty` takes a 2xx for a receipt of the whole batch, unless it carries a receipt of its own: that
 * one must add up all the same, or a line that was rejected would count as delivered.
 */
export function outcomeOf(
  answer: Answer,
  batchCount: number,
  { acceptEmpty }: { acceptEmpty: boolean },
  nowMs: number,
): Outcome {
  const { status } = answer;
  if (status < 200 || status > 299) {
    const hint = status >= 300 && status <= 399 ? ' (redirects are not followed)' : '';
    return failed(failureOf(status), `answered ${status}${hint}`, answer, nowMs);
  }
  const read = answer.truncated ? 'an answer too long to be one' : readReceipt(answer.body, batchCount);
  if (typeof read === 'object') return { settled: read };
  if (acceptEmpty && !answer.truncated && !claimsReceipt(answer.body)) {
    return { settled: { accepted: batchCount, duplicates: 0, rejected: [] } };
  }
  return failed('unproven', `answered ${status} without a receipt: ${read}`, answer, nowMs);
}

function failed(failure: FailureKind, reason: string, answer: Answer, nowMs: number): Outcome {
  const retryAfterMs = retryAfterOf(answer.headers, nowMs);
  return {
    failed: {
      failure,
      reason,
      status: answer.status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(answer.body !== '' && { response: answer.body.slice(0, RESPONSE_CHARS_MAX) }),
    },
  };
}

function failureOf(status: number): FailureKind {
  if (status >= 500 && status <= 599) return 'outage';
  switch (status) {
    case 408:
    case 409:
    case 425:
    case 429:
      return 'outage';
    case 401:
    case 403:
      return 'unauthorized';
    case 413:
      return 'too-large';
    case 400:
    case 422:
      return 'refused';
    default:
      return 'misconfigured';
  }
}

/** The receipt in a body, or what keeps it from being one. */
function readReceipt(body: string, batchCount: number): Required<Receipt> | string {
  const given = parseObject(body);
  if (!given) return 'the body is not a JSON object';
  // `null` is how several languages write an absent list or number.
  const { accepted } = given;
  const duplicates = given['duplicates'] ?? 0;
  if (!isCount(accepted)) return 'accepted is not an integer >= 0';
  if (!isCount(duplicates)) return 'duplicates is not an integer >= 0';
  const rejected = readRejected(given['rejected'] ?? []);
  if (typeof rejected === 'string') return rejected;
  const sum = accepted + duplicates + rejected.length;
  if (sum !== batchCount) {
    return `accepted ${accepted} + duplicates ${duplicates} + rejected ${rejected.length} is ${sum}, the batch has ${batchCount}`;
  }
  return { accepted, duplicates, rejected };
}

function readRejected(given: unknown): { id: string; reason: string }[] | string {
  if (!Array.isArray(given)) return 'rejected is not an array';
  const byId = new Map<string, { id: string; reason: string }>();
  for (const entry of given as unknown[]) {
    if (!isObject(entry)) return 'rejected holds something else than { id, reason }';
    const { id, reason } = entry;
    if (typeof id !== 'string' || typeof reason !== 'string') {
      return 'rejected holds an id or a reason that is not a string';
    }
    if (byId.has(id)) return 'rejected names an id twice';
    byId.set(id, { id, reason });
  }
  return [...byId.values()];
}

/** Whether a body that is no valid receipt was meant as one. */
function claimsReceipt(body: string): boolean {
  const given = parseObject(body);
  return given !== undefined && (typeof given['accepted'] === 'number' || Array.isArray(given['rejected']));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** `Retry-After` in ms, or `undefined` where there is none that makes sense. */
function retryAfterOf(headers: Answer['headers'], nowMs: number): number | undefined {
  const text = only(headers['retry-after']);
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, RETRY_AFTER_MS_MAX);
  const at = httpDate(text);
  if (at === undefined) return undefined;
  // By the destination's own clock where it tells it: the two clocks may be far apart.
  const from = httpDate(only(headers['date'])) ?? nowMs;
  return Math.min(Math.max(at - from, 0), RETRY_AFTER_MS_MAX);
}

function only(header: string | string[] | undefined): string | undefined {
  return (Array.isArray(header) ? header[0] : header)?.trim();
}
