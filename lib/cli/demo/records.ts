// Makes up records as a gateway would append them: request logs, and an audit event for every fifth of them.

import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import type { AuditRecord, DefaultKinds, LogRecord } from '../../index.js';

/** A record with its kind and what tells it apart from any other. */
export type Made =
  { kind: 'log'; key: string; record: LogRecord } | { kind: 'audit'; key: string; record: AuditRecord };

export const MADE_KINDS: readonly (keyof DefaultKinds)[] = ['audit', 'log'];

const ROUTES = [
  ['GET', '/api/orders'],
  ['GET', '/api/orders/:id'],
  ['POST', '/api/orders'],
  ['GET', '/api/users/:id'],
  ['PATCH', '/api/users/:id'],
  ['DELETE', '/api/sessions/:id'],
  ['GET', '/health'],
] as const;
const STATUSES = [200, 200, 200, 200, 201, 204, 304, 400, 404, 502] as const;
const AUDIT_EVERY = 5;
const USERS = 5000;

/** The `n`th record, of about 235 bytes as JSON. */
export function makeRecord(n: number): Made {
  const key = randomUUID();
  const [method, route] = pick(ROUTES);
  const status = pick(STATUSES);
  const ip = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`;
  const user = `u-${randomInt(USERS)}`;
  const ts = Date.now();
  if (n % AUDIT_EVERY === 0) {
    return {
      kind: 'audit',
      key,
      record: {
        ts,
        service: 'demo',
        actor: { user, ip },
        action: method === 'GET' ? 'read' : 'write',
        resource: { route, id: randomInt(1_000_000) },
        outcome: status < 400 ? 'ok' : 'denied',
        ctx: { requestId: key },
        data: { status },
      },
    };
  }
  const trace = randomBytes(16).toString('hex');
  const took = randomInt(1, 900);
  return {
    kind: 'log',
    key,
    record: {
      ts,
      service: 'demo',
      level: status < 500 ? 'info' : 'error',
      msg: `${method} ${route}`,
      ctx: { requestId: key, trace, user, ip },
      data: { status, ms: took },
    },
  };
}

/** What `makeRecord` called the key of a record. */
export function keyOf(record: Record<string, unknown>): string | undefined {
  const { ctx } = record as Partial<LogRecord>;
  const key = ctx?.['requestId'];
  return typeof key === 'string' ? key : undefined;
}

function pick<T>(choices: readonly T[]): T {
  return choices[randomInt(choices.length)]!;
}
