// Where every stream and cursor stands, as operators see it. Pure: a picture of what is in memory.

import type { StreamConfig } from './config.js';
import type { FieldsDropped } from './declared.js';
import type { Log } from './log/log.js';
import { backlogOf } from './log/ledger.js';
import { backlogBytes, storedBytes } from './log/state.js';
import type { ShipperState } from './ship/shipper-context.js';

export interface WalStats {
  service: string;
  instance: string;
  /** The log's folder. */
  dir: string;
  logId: string;
  writerId: string;
  /** Bytes of all files in the folder, measured at most a second ago while the log is written to. */
  diskBytes: number;
  /** Bytes of records that wait for the disk. */
  pendingBytes: number;
  streams: Record<string, StreamStats>;
}

export interface StreamStats {
  /** The oldest seq on disk; `lastSeq + 1` where none is. */
  firstSeq: number;
  /** The last seq ever given to a durable record. */
  lastSeq: number;
  storedBytes: number;
  /** Epoch ms; absent where nothing is stored. */
  oldestAppendedAt?: number;
  /** Fields that the stream's schema does not declare and that were dropped since open; absent unless `pii` says so. */
  fieldsDropped?: FieldsDropped;
  /** One for each declared name, also before `ship()` is called, and for each that is on disk still. */
  shippers: Record<string, ShipperStats>;
}

/** `lastSeq - startSeq = delivered + dropped + quarantined + lost + backlogRecords`, always. */
export interface ShipperStats {
  seq: number;
  startSeq: number;
  backlogRecords: number;
  backlogBytes: number;
  delivered: number;
  dropped: number;
  quarantined: number;
  lost: number;
  state: 'none' | ShipperState['at'];
  /** Epoch ms. */
  nextAttemptAt?: number;
  /** Epoch ms of the last acknowledgement since open. */
  lastShipAt?: number;
  lastError?: string;
  /** How far the destination's clock is ahead of this one, as its last answer told; it goes into the tokens. */
  clockSkewMs?: number;
}

/** What stats need of a running shipper. */
export interface ShipperView {
  readonly state: ShipperState;
  readonly lastShipAt: number | undefined;
  readonly clockSkewMs: number | undefined;
}

export function statsOf(
  log: Log,
  shipperOf: (kind: string, name: string) => ShipperView | undefined,
  configs: ReadonlyMap<string, Pick<StreamConfig, 'shaping'>> = new Map(),
): WalStats {
  const { service, instance, logId } = log.identity;
  const streams: WalStats['streams'] = {};
  for (const stream of log.streams.values()) {
    const shippers: StreamStats['shippers'] = {};
    for (const [name, cursor] of stream.cursors) {
      const { seq, startSeq, delivered, dropped, quarantined, lost } = cursor;
      shippers[name] = {
        seq,
        startSeq,
        backlogRecords: backlogOf(cursor, stream.lastSeq),
        backlogBytes: backlogBytes(stream, cursor),
        delivered,
        dropped,
        quarantined,
        lost,
        ...shipperStats(shipperOf(stream.kind, name)),
      };
    }
    const fieldsDropped = configs.get(stream.kind)?.shaping?.fieldsDropped?.();
    const oldest = log.oldestAppendedAt(stream.kind);
    streams[stream.kind] = {
      firstSeq: stream.head.seq + 1,
      lastSeq: stream.lastSeq,
      storedBytes: storedBytes(stream),
      ...(oldest !== undefined && { oldestAppendedAt: oldest }),
      ...(fieldsDropped && { fieldsDropped }),
      shippers,
    };
  }
  const { dir, writerId, diskBytes, pendingBytes } = log;
  return { service, instance, dir, logId, writerId, diskBytes, pendingBytes, streams };
}

function shipperStats(shipper: ShipperView | undefined): Pick<ShipperStats, 'state'> & Partial<ShipperStats> {
  if (!shipper) return { state: 'none' };
  const { state, lastShipAt, clockSkewMs } = shipper;
  const shipped = {
    ...(lastShipAt !== undefined && { lastShipAt }),
    ...(clockSkewMs !== undefined && { clockSkewMs }),
  };
  switch (state.at) {
    case 'waiting':
    case 'open':
      return { state: state.at, ...shipped, nextAttemptAt: state.until, lastError: state.error };
    case 'stopped':
      return { state: state.at, ...shipped, ...(state.error !== undefined && { lastError: state.error }) };
    case 'idle':
    case 'shipping':
      return { state: state.at, ...shipped };
    default:
      return state satisfies never;
  }
}
