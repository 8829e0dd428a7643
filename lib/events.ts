// What a log tells its service while it runs: one union, so that a switch over `type` is complete.

import type { GapReason } from './records.js';
import type { WalErrorCode } from './errors.js';

export type WalEvent =
  /** Records left the disk before this shipper had delivered them; the ledger counts them. */
  | {
      type: 'dropped';
      kind: string;
      shipper: string;
      from: number;
      to: number;
      records: number;
      reason: GapReason;
    }
  /** Stored records can't be read any more; the ledger counts them. */
  | { type: 'lost'; kind: string; from: number; to: number; reason: 'corrupt' }
  /** The destination refuses this record while it takes others; it was put aside. */
  | { type: 'quarantined'; kind: string; shipper: string; seq: number; reason: string }
  /** `offer` could not take records. Raised once until it can again. */
  | { type: 'offer-failed'; kind: string; code: WalErrorCode; message: string }
  /** A shipper makes no progress and says why. Raised once per outage. */
  | { type: 'ship-failing'; kind: string; shipper: string; sink: string; message: string }
  /** The outage is over. */
  | { type: 'ship-recovered'; kind: string; shipper: string; sink: string; failedAttempts: number }
  /** The disk refused a commit. The log opens its database again and goes on; `recovered` tells when. */
  | { type: 'write-failed'; message: string }
  /** The disk is full. Room is made by giving records of `drop-oldest` streams up; `recovered` tells when. */
  | { type: 'disk-full'; message: string }
  /** The log takes records again. */
  | { type: 'recovered'; message: string };
