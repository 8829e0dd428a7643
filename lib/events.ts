// What a log tells its service while it runs: one union, so that a switch over `type` is complete.

import type { AlertName } from './alert-options.js';
import type { GapReason } from './records.js';
import type { WalErrorCode } from './errors.js';

/** Of an adopted log, `instance` says whose it is; what concerns the service's own log has none. */
export type WalEvent = AnyEvent & { instance?: string };

/**
 * Why an adopted log was given back: it was drained and is gone (`removed`); what can be delivered from here is,
 * and the rest stays (`kept`: quarantined records, kept ones, a stream that is not shipped here); its owner asked
 * for it (`asked`); the adopter closes (`closing`).
 */
export type ReleaseReason = 'removed' | 'kept' | 'asked' | 'closing';

type AnyEvent =
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
  /** A shipper has put so much aside that it sends nothing more, until the quarantine holds less. */
  | { type: 'ship-stopped'; kind: string; shipper: string; message: string }
  /** The outage is over. */
  | { type: 'ship-recovered'; kind: string; shipper: string; sink: string; failedAttempts: number }
  /** A threshold of `alerts` is passed (`raised`), or is not any more (`cleared`). Without a kind: the log as a whole. */
  | {
      type: 'alert';
      alert: AlertName;
      state: 'raised' | 'cleared';
      kind?: string;
      shipper?: string;
      value: number;
      threshold: number;
      message: string;
    }
  /** The disk refused a commit. The log opens its database again and goes on; `recovered` tells when. */
  | { type: 'write-failed'; message: string }
  /** The disk is full. Room is made by giving records of `drop-oldest` streams up; `recovered` tells when. */
  | { type: 'disk-full'; message: string }
  /** The log takes records again. */
  | { type: 'recovered'; message: string }
  /** An older format was brought to this version's; what was there before is kept in `copy`, a folder. */
  | { type: 'migrated'; from: number; to: number; copy: string }
  /** The log of a dead instance was taken over: what waits in it is delivered from here. */
  | { type: 'adopted'; instance: string; dir: string; backlogRecords: number }
  /** An adopted log is not held any more. */
  | { type: 'released'; instance: string; dir: string; why: ReleaseReason }
  /** A log that was left alone can't be adopted, and stays as it is. Raised once until something changes. */
  | { type: 'adoption-failed'; instance: string; dir: string; message: string }
  /** The log works, but nothing can be asked of it over its control socket. */
  | { type: 'control-failed'; message: string };

/** An observer must not be able to break what it observes. */
export function quietly(onEvent: (event: WalEvent) => void): (event: WalEvent) => void {
  return (event) => {
    try {
      const told: unknown = onEvent(event);
      // An async function is one that throws later.
      if (told instanceof Promise) told.catch(() => {});
    } catch {
      // Said in the option's documentation.
    }
  };
}
