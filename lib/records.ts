// The shapes of records and what makes a value one: validation, and a record's line.
// A line is exactly what goes on the wire; nothing after this file encodes a record again.

import { WalError, messageOf } from './errors.js';

/** An operational log record (ADR-0017). */
export interface LogRecord {
  /** When it happened: epoch ms, or an ISO 8601 string. */
  ts: number | string;
  service: string;
  level: string;
  category?: string;
  msg?: string;
  ctx?: Record<string, unknown>;
  data?: unknown;
}

/** An audit event (ADR-0017). */
export interface AuditRecord {
  /** When it happened: epoch ms, or an ISO 8601 string. */
  ts: number | string;
  service: string;
  actor: unknown;
  action: string;
  resource: unknown;
  outcome: string;
  ctx?: Record<string, unknown>;
  data?: unknown;
}

/** The kinds of a log and the shape of their records; `log` and `audit` are always there. */
export interface DefaultKinds {
  log: LogRecord;
  audit: AuditRecord;
}

/** Why a range of seqs will never arrive as records. */
export type GapReason = 'size' | 'age' | 'disk-full' | 'corrupt' | 'quarantined';

/** A range of seqs that will not be delivered, both ends included. */
export interface Gap {
  from: number;
  to: number;
  reason: GapReason;
  /** When it was decided: epoch ms. Where the reason is `quarantined`, when the record was appended. */
  at: number;
}

/** A line of the log's body on the wire, parsed: a record or, in a record's place, a notice. */
export type WireLine =
  | {
      id: string;
      seq: number;
      kind: string;
      record: Record<string, unknown>;
      /** The id of a refused record that this one was appended for, with the same content. */
      resendOf?: string;
    }
  | { id: string; seq: number; kind: string; gap: Gap };

export const KIND_PATTERN = /^[a-z][a-z0-9_-]{0,31}$/;

/** Bytes of JSON that one record may have unless its stream says otherwise: 1 MiB. */
export const RECORD_BYTES_MAX = 1_048_576;

/** What a stream makes of its records on their way to a line (shaping.ts). Both steps throw `WAL_RECORD_INVALID`. */
export interface Shaping {
  /** What is to be stored of a record, to be made JSON. */
  readonly shape: (record: object) => unknown;
  /** The JSON of that without what is not to be stored. */
  readonly redact: (json: string) => string;
  /** Whether errors may repeat what was thrown on the way, as a cause too: there may be personal data in it. */
  readonly says: boolean;
}

/**
 * The record as JSON, as it is stored.
 *
 * @throws {WalError} `WAL_RECORD_INVALID`: not a plain object, or not serialisable (BigInt, cycle, a `toJSON`
 *   that makes something else of it), or refused by the shaping. `WAL_RECORD_TOO_LARGE`: more than `bytesMax` bytes
 *   of JSON.
 */
export function encodeRecord(kind: string, record: unknown, bytesMax: number, shaping?: Shaping): string {
  if (!isPlainObject(record)) {
    throw new WalError(
      'WAL_RECORD_INVALID',
      `expected a record of '${kind}' to be a plain object, got ${describe(record)}`,
    );
  }
  const json = shaping
    ? shaping.redact(toJson(kind, shaping.shape(record), shaping.says))
    : toJson(kind, record, true);
  // A UTF-16 unit is at most 3 bytes of UTF-8: most records need no count.
  if (json.length * 3 > bytesMax) {
    const bytes = Buffer.byteLength(json);
    if (bytes > bytesMax) {
      throw new WalError(
        'WAL_RECORD_TOO_LARGE',
        `a record of '${kind}' has ${bytes} bytes of JSON; its stream takes at most ${bytesMax} (maxRecordBytes)`,
      );
    }
  }
  return json;
}

function toJson(kind: string, record: unknown, says: boolean): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(record);
  } catch (cause) {
    const what = `a record of '${kind}' can't be written as JSON`;
    if (says) throw new WalError('WAL_RECORD_INVALID', `${what}: ${messageOf(cause)}`, { cause });
    throw new WalError('WAL_RECORD_INVALID', what);
  }
  // A toJSON of the record's own, or its schema, may have made a string, an array or nothing of it.
  if (json === undefined || json.charCodeAt(0) !== 0x7b) {
    // Not what it is: a message is no place for what a record holds.
    const got = json === undefined ? 'nothing' : describe(JSON.parse(json));
    throw new WalError(
      'WAL_RECORD_INVALID',
      `expected a record of '${kind}' to be an object as JSON, got ${got}`,
    );
  }
  return json;
}

export function recordId(writerId: string, kind: string, seq: number): string {
  return `${writerId}:${kind}:${seq}`;
}

/** What stands before a record's JSON in its line. */
export function lineHead(writerId: string, kind: string, seq: number): string {
  return `{"id":"${writerId}:${kind}:${seq}","seq":${seq},"kind":"${kind}","record":`;
}

/** What stands behind it. */
export const LINE_TAIL = '}\n';

/** A record's line, `\n` included. `json` is what `encodeRecord` returned. */
export function recordLine(writerId: string, kind: string, seq: number, json: string): string {
  return lineHead(writerId, kind, seq) + json + LINE_TAIL;
}

/** What stands in the place of a record's JSON in the line of one that is appended for a refused one. */
export function resentJson(json: string, oldId: string): string {
  return `${json},"resendOf":${JSON.stringify(oldId)}`;
}

/** What a line has beside its JSON and, twice, its kind: at most, in bytes. Every writer id is as long as this one. */
const LINE_BYTES_MAX = recordLine('0'.repeat(16), '', Number.MAX_SAFE_INTEGER, '').length;

/** What the lines of so many records of a kind may have at most, in bytes: `jsonBytes` is what their JSON has. */
export function lineBytesMax(kind: string, records: number, jsonBytes: number): number {
  return records * (LINE_BYTES_MAX + 2 * kind.length) + jsonBytes;
}

export function gapId(logId: string, kind: string, gap: { from: number; to: number }): string {
  return `${logId}:${kind}:gap:${gap.from}-${gap.to}`;
}

/** A notice's line, `\n` included. */
export function gapLine(logId: string, kind: string, gap: Gap): string {
  const { from, to, reason, at } = gap;
  return `${JSON.stringify({ id: gapId(logId, kind, gap), seq: to, kind, gap: { from, to, reason, at } })}\n`;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return true;
  if (typeof prototype !== 'object' || prototype === null) return prototype === null;
  // Also plain when it comes from another realm (a vm context, a worker's structured clone).
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  return Array.isArray(value) ? 'an array' : `an instance of ${value.constructor?.name ?? 'a class'}`;
}
