// What makes an audit record one. For callers without types, and for values that types can't see.

import { WalError } from '../index.js';
import type { AuditRecord } from '../index.js';

/** @throws {WalError} `WAL_RECORD_INVALID` naming what is missing. */
export function checkAuditRecord(record: AuditRecord): AuditRecord {
  for (const name of ['action', 'outcome'] as const) {
    if (typeof record[name] !== 'string' || record[name] === '') throw missing(name, 'a word', record[name]);
  }
  for (const name of ['actor', 'resource'] as const) {
    const value = record[name];
    const isThere = typeof value === 'string' ? value !== '' : typeof value === 'object' && value !== null;
    if (!isThere) throw missing(name, 'a string or an object', value);
  }
  return record;
}

function missing(name: string, what: string, got: unknown): WalError {
  const shown = got === '' ? 'an empty string' : got === null ? 'null' : typeof got;
  return new WalError('WAL_RECORD_INVALID', `expected ${name} of an audit event to be ${what}, got ${shown}`);
}
