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
    // As JSON it is `{}`: an event that names nobody.
    if (typeof (value as { then?: unknown }).then === 'function') {
      throw missing(name, 'a string or an object', value, 'a promise');
    }
  }
  return record;
}

/** What would be left out must not be lost unheard. @throws {WalError} `WAL_RECORD_INVALID` naming it. */
export function checkMembers(given: object, known: readonly string[]): void {
  const stray = Object.entries(given).find(([name, value]) => value !== undefined && !known.includes(name));
  if (!stray) return;
  const message = `an audit event takes ${known.join(', ')}, and no '${stray[0].slice(0, 100)}': data or ctx hold more`;
  throw new WalError('WAL_RECORD_INVALID', message);
}

function missing(name: string, what: string, got: unknown, as: string = typeof got): WalError {
  const shown = got === '' ? 'an empty string' : got === null ? 'null' : as;
  return new WalError('WAL_RECORD_INVALID', `expected ${name} of an audit event to be ${what}, got ${shown}`);
}
