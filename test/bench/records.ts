// What is appended: request-log records as a gateway writes them. Pure.
//
// Whatever differs between records in production is random here. A counter in an id, or one user for all,
// would make deflating look several times better than it is.

import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { LogRecord } from '../../lib/index.js';

const METHODS = ['GET', 'GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'DELETE'];
const PLACES = ['orders', 'orders', 'customers', 'invoices', 'sessions', 'products', 'carts', 'payments'];
const STATUSES = [200, 200, 200, 200, 200, 201, 204, 304, 400, 401, 404, 500];
const USERS = 5000;

/** So many records of about 240 bytes of JSON, no two alike. */
export function makeRecords(count: number): LogRecord[] {
  const users = Array.from({ length: USERS }, () => `u-${randomInt(100_000, 1_000_000)}`);
  return Array.from({ length: count }, () => makeRecord(users));
}

function makeRecord(users: readonly string[]): LogRecord {
  const status = pick(STATUSES);
  return {
    ts: Date.now() - randomInt(60_000),
    service: 'gateway',
    level: status < 400 ? 'info' : status < 500 ? 'warn' : 'error',
    msg: `${pick(METHODS)} /api/${pick(PLACES)}/${randomUUID()}`,
    ctx: {
      trace: randomBytes(16).toString('hex'),
      user: pick(users),
      ip: `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`,
    },
    data: { status, ms: randomInt(1, 4000) / 10 },
  };
}

function pick<T>(from: readonly T[]): T {
  return from[randomInt(from.length)]!;
}
