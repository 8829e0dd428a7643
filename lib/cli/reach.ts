// The log at an address, whoever holds it: opened here, or asked of the process that works with it.

import { constants, getPriority, setPriority } from 'node:os';
import { RemoteLog, WalError, dumpItems, tailItems } from '../index.js';
import type {
  CompactOptions,
  CompactReport,
  DumpItem,
  DumpOptions,
  EvictOptions,
  EvictReport,
  ReadItem,
  ReplayOptions,
  TailOptions,
  VerifyReport,
  WalStats,
} from '../index.js';
import { Failure, UsageError } from './errors.js';
import type { OpenLog } from './open.js';
import { openLog } from './open.js';
import type { LogAddress } from './options.js';
import { placeOf } from './options.js';

/** What commands do with a log that may be in use. */
export interface ReachedLog extends AsyncDisposable {
  stats(): Promise<WalStats>;
  dump(options: DumpOptions): AsyncGenerator<DumpItem>;
  /** With `follow`, rejects when the signal fires. @throws {UsageError} where nobody could append what is to be followed. */
  tail(
    options: TailOptions & { follow?: boolean },
    signal: AbortSignal,
  ): AsyncIterable<ReadItem<object> | undefined>;
  evict(options: EvictOptions): Promise<EvictReport>;
  compact(options: CompactOptions): Promise<CompactReport>;
  verify(signal: AbortSignal, onProgress: (records: number) => void): Promise<VerifyReport>;
  forget(kind: string, shipper: string): Promise<{ records: number }>;
  replay(kind: string, options: ReplayOptions): Promise<{ records: number }>;
  resend(kind: string, options: { shipper?: string }): Promise<{ records: number }>;
}

/**
 * Opens the log, or asks its holder: only LevelDB's lock proves that there is one, so opening is tried first. `signal`
 * ends what it is asked.
 *
 * @throws {UsageError | Failure | WalError} `WAL_LOCKED` where the holder serves no socket.
 */
export async function reachLog(address: LogAddress, signal?: AbortSignal): Promise<ReachedLog> {
  const opened = await remoteOf(address, () => openLog(address), signal);
  return opened instanceof RemoteLog ? opened : local(opened);
}

/** What `open` gives, or, where another process holds the log, the log as it is asked there. */
export async function remoteOf<T>(
  address: LogAddress,
  open: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T | RemoteLog> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof WalError) || error.code !== 'WAL_LOCKED') throw error;
    const { dir, under } = placeOf(address);
    const remote = await RemoteLog.find(dir, { ...(signal && { signal }) });
    if (!remote) throw error;
    yieldToOthers();
    const { service, instance } = await remote.stats();
    if (under && (under.service !== service || under.instance !== instance)) {
      throw new Failure(
        `${dir} holds the log of ${service}/${instance}, not of ${under.service}/${under.instance}`,
      );
    }
    return remote;
  }
}

function local(wal: OpenLog): ReachedLog {
  return {
    stats: () => Promise.resolve(wal.stats()),
    dump: (options) => dumpItems(wal, options),
    tail({ follow, ...options }) {
      if (follow) throw new UsageError('nothing will come: no process holds this log; leave --follow out');
      return tailItems(wal, options);
    },
    evict: (options) => wal.evict(options),
    compact: (options) => wal.compact(options),
    forget: (kind, shipper) => wal.forget(kind, shipper),
    replay: (kind, options) => wal.replay(kind, options),
    resend: (kind, options) => wal.resend(kind, options),
    verify: (signal, onProgress) =>
      wal.verify({
        onProgress(records) {
          // The walk has no other way to be ended.
          signal.throwIfAborted();
          onProgress(records);
        },
      }),
    [Symbol.asyncDispose]: () => wal.close(),
  };
}

/** It does its share of the work beside a service that is in a hurry; this is not. */
function yieldToOthers(): void {
  try {
    setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
  } catch {
    // A container may forbid even that; what was asked for is answered all the same.
  }
}
