// The reading side of operations: which began and never ended. Needs no log: records come from `wal.read`, from
// `nv-wal dump`, or from what a receiver stored.

import { WalError } from '../index.js';
import type { AuditRecord } from '../index.js';

/** An operation that began, by its begin event. */
export interface UnendedOperation {
  /** The operation's id: `ctx.operation.id`. */
  operation: string;
  record: AuditRecord;
  /** The begin event's id and seq, where the input has them. */
  id?: string;
  seq?: number;
}

/** A line of NDJSON, or what it holds: a line of the wire or of `nv-wal dump`, an item of `wal.read`, or a bare record. */
export type AuditItem = string | object;

interface ReadEvent {
  operation: string;
  phase: string;
  found: UnendedOperation;
}

/**
 * The operations that began and have no end event, in the order of their beginnings. Reads everything first; keeps
 * the ids of all operations meanwhile, some 100 bytes each. Order and repetition of the input don't matter. An
 * operation that is under way has not ended either; nor has one whose end event is lost, which a notice tells of.
 *
 * @throws {WalError} `WAL_RECORD_INVALID`: a line is not JSON.
 *
 * @example for await (const { record } of unended(wal.read('audit'))) console.log(record.actor, record.action);
 */
export async function* unended(
  items: Iterable<AuditItem> | AsyncIterable<AuditItem>,
): AsyncGenerator<UnendedOperation> {
  const begun = new Map<string, UnendedOperation>();
  const ended = new Set<string>();
  let number = 0;
  for await (const item of items) {
    const event = eventOf(item, ++number);
    if (!event) continue;
    const { operation, phase, found } = event;
    if (phase === 'end') ended.add(operation);
    else if (!begun.has(operation)) begun.set(operation, found);
    if (ended.has(operation)) begun.delete(operation);
  }
  yield* begun.values();
}

/** Nothing for blank lines, notices, and events that belong to no operation. */
function eventOf(item: AuditItem, number: number): ReadEvent | undefined {
  const value = typeof item === 'string' ? parsed(item, number) : item;
  if (!isObject(value)) return undefined;
  const record = isObject(value['record']) ? value['record'] : value;
  const operation = isObject(record['ctx']) ? record['ctx']['operation'] : undefined;
  if (!isObject(operation)) return undefined;
  const { id, phase } = operation;
  if (typeof id !== 'string' || (phase !== 'begin' && phase !== 'end')) return undefined;
  const found: UnendedOperation = { operation: id, record: record as unknown as AuditRecord };
  if (record !== value && typeof value['id'] === 'string') found.id = value['id'];
  if (record !== value && typeof value['seq'] === 'number') found.seq = value['seq'];
  return { operation: id, phase, found };
}

function parsed(line: string, number: number): unknown {
  if (line.trim() === '') return undefined;
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new WalError('WAL_RECORD_INVALID', `line ${number} is not JSON`, { cause });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
