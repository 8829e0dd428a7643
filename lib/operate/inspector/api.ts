// What the inspector's page asks for, by method and path. Shapes are in subject.ts and records.ts.

import { WalError } from '../../errors.js';
import type { RemoteLog } from '../remote.js';
import { newestRecords, quarantinedRecords } from './records.js';
import type { Subject } from './subject.js';

export interface ApiCall {
  readonly query: URLSearchParams;
  /** Of a POST. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Fires when whoever asked has gone. */
  readonly signal: AbortSignal;
}

export type Api = ReadonlyMap<string, (call: ApiCall) => Promise<object>>;

/** By `GET report`. Without actions, there is nothing that changes the log. */
export function inspectorApi(subject: Subject, allowActions: boolean): Api {
  const api = new Map<string, (call: ApiCall) => Promise<object>>([
    ['GET report', () => subject.report()],
    ['GET quarantine', () => subject.ask(quarantinedRecords)],
    [
      'GET records',
      ({ query }) => {
        const [kind, text] = [query.get('kind') ?? '', query.get('text') ?? ''];
        const wanted = { ...(kind !== '' && { kind }), text };
        return subject.ask((log) => newestRecords(log, wanted));
      },
    ],
  ]);
  if (!allowActions) return api;
  const act = (name: string, action: (log: RemoteLog, call: ApiCall) => Promise<object>) =>
    api.set(`POST ${name}`, (call) => subject.ask((log) => action(log, call), true));
  act('evict', (log, { body }) => log.evict(evictionOf(body)));
  act('compact', (log) => log.compact());
  act('verify', (log, { signal }) => log.verify(signal));
  act('resend', (log, { body }) => log.resend(textOf(body, 'kind'), { shipper: textOf(body, 'shipper') }));
  act('replay', (log, { body }) => {
    const from = typeof body['from'] === 'number' ? body['from'] : 1;
    return log.replay(textOf(body, 'kind'), { shipper: textOf(body, 'shipper'), from });
  });
  return api;
}

/** What is wrong with a bound is the log's to say. */
function evictionOf(body: ApiCall['body']): Parameters<RemoteLog['evict']>[0] {
  const { kind, maxBytes, maxAgeMs } = body;
  return {
    ...(typeof kind === 'string' && { kind }),
    ...(typeof maxBytes === 'number' && { maxBytes }),
    ...(typeof maxAgeMs === 'number' && { maxAgeMs }),
  };
}

function textOf(body: ApiCall['body'], name: string): string {
  const value = body[name];
  if (typeof value === 'string') return value;
  throw new WalError('WAL_CONFIG', `expected ${name} to be a string, got ${JSON.stringify(value)}`);
}
