// What a shipper is told, what it needs of others, and what it says of itself.

import type { Clock } from '../clock.js';
import type { WalEvent } from '../events.js';
import type { Log } from '../log/log.js';
import type { Breaker } from './breaker.js';
import type { ShipMeter } from './meter.js';
import type { Sink } from './sink.js';

export interface ShipOptions {
  /** The cursor: one of the stream's declared shippers. @default 'default' */
  name?: string;
  /** How long the oldest waiting record may wait for a batch to fill, in ms. Integer, 0 to 60,000. @default 100 */
  lingerMs?: number;
  /** Lines in one request at most. Integer, 1 to 100,000. @default the log's `batchMax` */
  batchMax?: number;
  /** Bytes of lines in one request at most, unless a single record has more. Integer >= 1024. @default 1_048_576 */
  batchBytes?: number;
}

export type ShipperState =
  | { at: 'idle' }
  | { at: 'shipping'; from: number; to: number }
  /** A try failed; the next one comes at `until` (epoch ms). `open`: the circuit breaker holds it back. */
  | { at: 'waiting' | 'open'; until: number; attempt: number; error: string }
  /** With an error while its quarantine holds too much: it goes on by itself once that holds less. */
  | { at: 'stopped'; error?: string };

export interface ShipperContext {
  readonly log: Log;
  readonly kind: string;
  readonly sink: Sink;
  readonly breaker: Breaker;
  readonly meter: ShipMeter;
  readonly clock: Clock;
  readonly random: () => number;
  readonly options: Required<ShipOptions>;
  readonly onEvent: (event: WalEvent) => void;
  readonly onStopped: () => void;
}
