// What must not compile. Checked by `npm run check:types`; never run.

import { register } from 'prom-client';
import * as v from 'valibot';
import { z } from 'zod';
import type { PinoTransportOptions } from '../lib/adapters/pino.js';
import { createLogger, remotePolicy } from '../lib/adapters/logger.js';
import type { LogLevel } from '../lib/adapters/logger.js';
import { Wal, walOptionsFromEnv } from '../lib/index.js';
import type {
  AuditRecord,
  KindsOf,
  LogRecord,
  ReadItem,
  Receipt,
  Redaction,
  Sink,
  WalEvent,
  WalMetrics,
} from '../lib/index.js';

interface BillingRecord {
  invoice: string;
  cents: number;
}

interface Kinds {
  log: LogRecord;
  audit: AuditRecord;
  billing: BillingRecord;
}

export async function kindsAreTyped(): Promise<void> {
  const wal = await Wal.open<Kinds>({ service: 'types', streams: { billing: { whenFull: 'reject' } } });
  await wal.append('billing', { invoice: 'i1', cents: 1 });
  await wal.appendMany('billing', [{ invoice: 'i1', cents: 1 }]);
  wal.offer('log', { ts: 1, service: 'types', level: 'info' });
  // @ts-expect-error a kind that is not one
  await wal.append('invoices', { invoice: 'i1', cents: 1 });
  // @ts-expect-error a member is missing
  await wal.append('billing', { invoice: 'i1' });
  // @ts-expect-error a member has another type
  await wal.append('billing', { invoice: 'i1', cents: '1' });
  // @ts-expect-error a member too much
  await wal.append('billing', { invoice: 'i1', cents: 1, tip: 2 });
  // @ts-expect-error another kind's record
  await wal.appendMany('audit', [{ invoice: 'i1', cents: 1 }]);
  // @ts-expect-error a record where records are expected
  await wal.appendMany('billing', { invoice: 'i1', cents: 1 });
  // @ts-expect-error the level is missing
  wal.offer('log', { ts: 1, service: 'types' });
  // @ts-expect-error a kind that is not one
  await wal.evict({ kind: 'invoices', maxBytes: 0 });
  for await (const item of wal.read('billing')) {
    if ('record' in item) item.record.cents.toFixed(2);
  }
}

export async function defaultKindsAreTyped(): Promise<void> {
  const wal = await Wal.open({ service: 'types' });
  const audit = { ts: 1, service: 'types', actor: 'me', action: 'look', resource: 'door', outcome: 'ok' };
  const { id, seq } = await wal.append('audit', audit);
  id.slice(seq);
  // @ts-expect-error no such kind unless it is declared
  await wal.append('billing', { invoice: 'i1', cents: 1 });
  // @ts-expect-error an audit record says what came of it
  await wal.append('audit', { ...audit, outcome: undefined });
  // @ts-expect-error no such option
  await Wal.open({ service: 'types', maxbytes: 1 });
  // @ts-expect-error no such policy
  await Wal.open({ service: 'types', streams: { log: { whenFull: 'block' } } });
}

export async function kindsComeFromSchemas(): Promise<void> {
  const streams = {
    billing: {
      whenFull: 'reject',
      schema: z.object({ invoice: z.string(), cents: z.coerce.number<string>() }),
    },
    trips: { whenFull: 'reject', schema: v.object({ from: v.string() }) },
    raw: { whenFull: 'reject' },
  } as const;
  const wal = await Wal.open<KindsOf<typeof streams>>({ service: 'types', streams });
  await wal.append('billing', { invoice: 'i1', cents: '1' });
  await wal.append('trips', { from: 'here' });
  await wal.append('raw', { whatever: 1 });
  wal.offer('log', { ts: 1, service: 'types', level: 'info' });
  // @ts-expect-error what the schema takes, not what it makes of it
  await wal.append('billing', { invoice: 'i1', cents: 1 });
  // @ts-expect-error a member is missing
  await wal.append('trips', {});
  // @ts-expect-error a kind that is not one
  await wal.append('tours', { from: 'here' });
  const schema = { parse: () => 1 };
  // @ts-expect-error no Standard Schema
  await Wal.open({ service: 'types', streams: { trips: { whenFull: 'reject', schema } } });
}

export async function redactionIsTyped(): Promise<void> {
  const open = async (redact: Redaction) =>
    await Wal.open({ service: 'types', streams: { log: { redact } } });
  const key = 'a key of at least thirty-two bytes';
  const paths = ['user.email'];
  await open(['password', { paths, censor: '***' }, { paths, remove: true }, { paths, hash: { key } }]);
  await open({ paths });
  // @ts-expect-error a path alone
  await open('password');
  // @ts-expect-error no paths
  await open({ remove: true });
  // @ts-expect-error not removed, but nothing else said
  await open({ paths, remove: false });
  // @ts-expect-error both at once
  await open({ paths, remove: true, censor: '***' });
  // @ts-expect-error a hash without a key
  await open([{ paths, hash: {} }]);
  // @ts-expect-error no such way
  await open([{ paths, mask: 'x' }]);
  // @ts-expect-error no such mode
  await Wal.open({ service: 'types', streams: { log: { pii: 'none' } } });
}

export async function operatingIsTyped(): Promise<void> {
  const wal = await Wal.open({ service: 'types', alerts: { backlogRecords: 1, stalledMs: false } });
  wal.registerMetrics(register);
  wal
    .metrics()
    .wal_backlog_records.samples.map(({ labels, value }) => `${labels['kind']}: ${value.toFixed()}`);
  wal.metrics().wal_commit_duration_seconds.samples.map(({ buckets, sum }) => buckets.length + sum);
  // @ts-expect-error no such alert
  await Wal.open({ service: 'types', alerts: { backlog: 1 } });
}

export const sinkIsTyped: Sink = {
  name: 'types',
  send: async (batch): Promise<Receipt> => {
    // @ts-expect-error a batch is not the sink's to change
    batch.count = 0;
    return { accepted: batch.count };
  },
};

export const receiptIsTyped: Sink = {
  name: 'types',
  // @ts-expect-error nothing is no receipt
  send: async () => {},
};

export function unionsNarrow(event: WalEvent, item: ReadItem<BillingRecord>): string | number {
  if (event.type === 'quarantined') return `${event.kind} ${event.seq} ${event.reason}`;
  return 'record' in item ? item.record.cents : item.gap.reason;
}

// @ts-expect-error no such metric
export const everyMetric: keyof WalMetrics = 'wal_backlog';
// @ts-expect-error not every event has a seq
export const everyEvent: keyof WalEvent = 'seq';
// @ts-expect-error a notice has no record
export const everyItem: keyof ReadItem = 'record';

export async function loggingIsTyped(): Promise<void> {
  const wal = await Wal.open<Kinds>({ service: 'types', streams: { billing: { whenFull: 'reject' } } });
  const log = createLogger({ wal, service: 'types', policy: ({ level }) => level !== 'debug' });
  const invoice: BillingRecord = { invoice: 'i1', cents: 1 };
  log.bind({ category: 'billing', invoice: 'i1' }).info(invoice, 'sent');
  log.error(new Error('no'));
  log.audit({ category: 'login', actor: 'me' });
  // @ts-expect-error a message is a text
  log.info(5);
  // @ts-expect-error the object comes first
  log.info('sent', invoice);
  // @ts-expect-error a category is a text
  log.info({ category: 5 }, 'sent');
  // @ts-expect-error also where it is bound
  log.bind({ category: 5 });
  // @ts-expect-error no such level to ask about
  createLogger({ wal, service: 'types', policy: ({ level }) => level !== 'trace' });
  // @ts-expect-error a policy says yes or no
  createLogger({ wal, service: 'types', policy: ({ level }) => level });
  createLogger({ wal, service: 'types', policy: remotePolicy({ url: 'https://log/api/log/v1/config' }) });
  // @ts-expect-error it has to be asked somewhere
  remotePolicy({ ttlMs: 1000 });
  const other = await Wal.open<{ log: BillingRecord }>({ service: 'types' });
  // @ts-expect-error a log stream of other records
  createLogger({ wal: other, service: 'types' });
}

// @ts-expect-error no such level
export const everyLevel: LogLevel = 'fatal';

export const transportIsTyped: PinoTransportOptions = {
  ...walOptionsFromEnv('types'),
  levels: { notice: 35 },
  // @ts-expect-error a function can't be passed to a thread
  onEvent: () => {},
};
