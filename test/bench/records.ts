// What is appended: records as services write them, about 240 bytes of JSON each. Pure.
//
// Whatever differs between records in production is random here. A counter in an id, or one user for all,
// would make deflating look several times better than it is.

import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { AuditRecord, LogRecord } from '../../lib/index.js';
import { recordLine } from '../../lib/records.js';
import type { Content } from './job.js';

const METHODS = ['GET', 'GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'DELETE'];
const PLACES = ['orders', 'orders', 'customers', 'invoices', 'sessions', 'products', 'carts', 'payments'];
const STATUSES = [200, 200, 200, 200, 200, 201, 204, 304, 400, 401, 404, 500];
const ACTIONS = ['login', 'read', 'read', 'create', 'update', 'update', 'delete', 'export', 'approve'];
const OUTCOMES = ['success', 'success', 'success', 'success', 'denied', 'failure'];
const USERS = 5000;
/** One record of so many is an audit event. */
const AUDIT_SHARE = 8;
/** Bytes of noise that fill a record up to the size of the others. */
const NOISE_BYTES = 120;

/** So many records, no two alike. */
export function makeRecords(count: number, content: Content = 'service'): LogRecord[] {
  if (content === 'noise') return Array.from({ length: count }, makeNoise);
  const users = Array.from({ length: USERS }, () => `u-${randomInt(100_000, 1_000_000)}`);
  return Array.from({ length: count }, () =>
    randomInt(AUDIT_SHARE) === 0 ? makeAuditEvent(users) : makeRequest(users),
  );
}

/** Mean bytes of these records' lines on the wire. */
export function wireBytesPerRecord(records: readonly LogRecord[]): number {
  const writerId = '0'.repeat(16);
  const bytes = records.map((record, n) =>
    Buffer.byteLength(recordLine(writerId, 'log', 1_000_000 + n, JSON.stringify(record))),
  );
  return bytes.reduce((sum, each) => sum + each, 0) / records.length;
}

function makeRequest(users: readonly string[]): LogRecord {
  const status = pick(STATUSES);
  return {
    ts: Date.now() - randomInt(60_000),
    service: 'gateway',
    level: status < 400 ? 'info' : status < 500 ? 'warn' : 'error',
    msg: `${pick(METHODS)} /api/${pick(PLACES)}/${randomUUID()}`,
    ctx: { trace: randomBytes(16).toString('hex'), user: pick(users), ip: makeAddress() },
    data: { status, ms: randomInt(1, 4000) / 10 },
  };
}

/** Beside the requests in one stream: what is measured is a stream, not a shape. */
function makeAuditEvent(users: readonly string[]): LogRecord & AuditRecord {
  return {
    ts: Date.now() - randomInt(60_000),
    service: 'gateway',
    level: 'info',
    actor: { id: pick(users), ip: makeAddress() },
    action: `${pick(PLACES)}.${pick(ACTIONS)}`,
    resource: { type: pick(PLACES), id: randomUUID() },
    outcome: pick(OUTCOMES),
    ctx: { trace: randomBytes(16).toString('hex') },
  };
}

/** As ciphertext or images in base64: deflating saves a quarter of it at best. */
function makeNoise(): LogRecord {
  const data = randomBytes(NOISE_BYTES).toString('base64');
  return { ts: Date.now() - randomInt(60_000), service: 'gateway', level: 'info', data };
}

function makeAddress(): string {
  return `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`;
}

function pick<T>(from: readonly T[]): T {
  return from[randomInt(from.length)]!;
}
