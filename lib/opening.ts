// From options to an open log: a service's own, made where there is none, or one that exists, as tools open it.

import type { StreamConfig, WalConfig, WalOptions } from './config.js';
import { DEFAULTS, resolveConfig } from './config.js';
import { WalError } from './errors.js';
import { quietly } from './events.js';
import { takeLog } from './instances/take.js';
import type { LogOptions } from './log/log.js';
import { hasDatabase } from './log/recover.js';
import { Log } from './log/log.js';
import { steps } from '../migrations/index.js';

/** What a tool can say about a log: the rest is on disk. */
export interface FolderOptions extends Omit<WalOptions, 'service' | 'instance' | 'varDir' | 'adopt'> {
  /** Bytes of delivered records to keep of each stream that `streams` does not tell of. @default all that are there: what the log's service keeps is not known */
  keepDeliveredBytes?: number;
}

/** What a Wal needs of its options once its log is open. */
export type OpenConfig = Pick<
  WalConfig,
  'streams' | 'maxBytes' | 'batchMax' | 'clock' | 'onEvent' | 'adopt' | 'alerts'
>;

export interface Opened {
  readonly log: Log;
  readonly config: WalConfig;
}

/** See `Wal.open`. */
export async function openOwn(options: WalOptions): Promise<Opened> {
  const config = resolveConfig(options);
  const { service } = config;
  const log = await takeLog(config, (dir, instance) =>
    Log.open({ ...logOptions(config), dir, create: { service, instance }, repairs: true, steps }),
  );
  return { log, config };
}

/** See `Wal.openFolder`. */
export async function openExisting(dir: string, options: FolderOptions): Promise<Opened> {
  // A tool does not evict, unless it says how much or how old is too much: the service's bounds may be wider. Nor does it warn.
  const unbounded = {
    maxBytes: Number.MAX_SAFE_INTEGER,
    maxAgeMs: Number.MAX_SAFE_INTEGER,
    alerts: false as const,
  };
  const { keepDeliveredBytes: keeps = Number.MAX_SAFE_INTEGER, ...others } = options;
  const config = resolveConfig({ ...unbounded, ...others, service: 'any', varDir: dir, adopt: false });
  if (!(await hasDatabase(dir))) throw new WalError('WAL_CONFIG', `no log in ${dir}`);
  // A tool that looks in for a moment holds nothing back, and leaves damage to whom the log belongs.
  const reserveBytes = options.reserveBytes ?? 0;
  const maxBytes = options.maxBytes ?? DEFAULTS.maxBytes;
  const log = await Log.open({ ...logOptions(config), maxBytes, dir, reserveBytes, repairs: false });
  const streams = new Map(config.streams);
  for (const { kind, cursors } of log.streams.values()) {
    const undeclared = { whenFull: 'reject', shaping: undefined } as const;
    const base: StreamConfig = streams.get(kind) ?? { ...config.streams.get('audit')!, ...undeclared };
    const keepDeliveredBytes = options.streams?.[kind]?.keepDeliveredBytes ?? keeps;
    // No default here: a cursor that the log's service does not declare would hold its records for ever.
    const declared = options.streams?.[kind]?.shippers ?? [];
    streams.set(kind, {
      ...base,
      keepDeliveredBytes,
      shippers: [...new Set([...declared, ...cursors.keys()])],
    });
  }
  return { log, config: { ...config, streams } };
}

function logOptions({
  clock,
  maxBytes,
  reserveBytes,
  onEvent,
}: WalConfig): Omit<LogOptions, 'dir' | 'repairs'> {
  return { clock, maxBytes, reserveBytes, onEvent: quietly(onEvent) };
}
