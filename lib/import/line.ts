// One line of a foreign NDJSON file, as a record of a kind. Pure.
//
// Four shapes are known: `{ kind, record }` (ADR-0017), what a log's own dump has,
// `{ id, seq, kind, record, appendedAt }`, the older gateway's `{ appendedAt, blob }`, whose blob is the record, and
// a plain record. The last two don't say their kind. A dump's notices stand for records that are gone: there is
// nothing in them to be imported.

import type { StreamConfig } from '../config.js';
import { encodeRecord } from '../records.js';

export interface ImportedLine {
  kind: string;
  /**
   * The record as JSON: as it stood in the line wherever that can be told, so that no number loses digits. Not where
   * its stream shapes records.
   */
  json: string;
}

/** What of a stream's policy says what becomes of a line. */
export type PolicyOf = (kind: string) => Readonly<Pick<StreamConfig, 'maxRecordBytes' | 'shaping'>>;

/** A record's JSON inside the envelopes as their writers write them; JSON.parse has the last word. */
const ADR_LINE = /^\s*\{\s*"kind"\s*:\s*"[^"\\]*"\s*,\s*"record"\s*:\s*(\{.*\})\s*\}\s*$/s;
const GATEWAY_LINE = /^\s*\{\s*"appendedAt"\s*:\s*[\d.eE+-]+\s*,\s*"blob"\s*:\s*(\{.*\})\s*\}\s*$/s;

/** The names in a dump's line of a record, in order; where it was sent again, one more. */
const DUMPED = 'appendedAt,id,kind,record,seq';
const DUMPED_RESENT = 'appendedAt,id,kind,record,resendOf,seq';

/**
 * The record of a line; undefined for a notice.
 *
 * @param kind The kind of lines that don't say theirs.
 * @param policyOf What a stream takes and makes of it; throws for an unknown kind.
 * @throws {Error} Saying what is wrong with the line.
 */
export function importLine(
  text: string,
  kind: string | undefined,
  policyOf: PolicyOf,
): ImportedLine | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    // Without the parser's own words: they quote the line, and a message is no place for what a record holds.
    throw new Error('not JSON', { cause });
  }
  if (!isObject(parsed)) throw new Error('not a JSON object');
  const names = Object.keys(parsed).toSorted().join();
  const { kind: own, record, blob } = parsed;
  if (names === 'kind,record' && typeof own === 'string' && isObject(record)) {
    return checked(own, record, ADR_LINE.exec(text)?.[1], policyOf);
  }
  if (names === 'appendedAt,gap,id,kind,seq' && isObject(parsed['gap'])) return undefined;
  const isDumped = names === DUMPED || names === DUMPED_RESENT;
  // Written by JSON.stringify: there is no other way to write it that is to be kept.
  if (isDumped && typeof own === 'string' && isObject(record))
    return checked(own, record, undefined, policyOf);
  if (kind === undefined) {
    throw new Error('it does not say its kind as { kind, record } does: name the kind of such lines');
  }
  if (names === 'appendedAt,blob' && isObject(blob)) {
    return checked(kind, blob, GATEWAY_LINE.exec(text)?.[1], policyOf);
  }
  return checked(kind, parsed, text.trim(), policyOf);
}

function checked(
  kind: string,
  record: Record<string, unknown>,
  source: string | undefined,
  policyOf: PolicyOf,
): ImportedLine {
  const { maxRecordBytes, shaping } = policyOf(kind);
  const json = encodeRecord(kind, record, maxRecordBytes, shaping);
  // What the source holds is what a schema or a redaction may have taken out.
  if (shaping || source === undefined) return { kind, json };
  // The source may be longer by white space and escapes.
  const takesSource = Buffer.byteLength(source) <= maxRecordBytes && isJson(source);
  return { kind, json: takesSource ? source : json };
}

/** A line may name `record` twice: what stands between the first and the end is no record then. */
function isJson(source: string): boolean {
  try {
    JSON.parse(source);
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
