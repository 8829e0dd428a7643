// What the writer needs of the log around it, what it lets the log say, and what it is at.

import type { Clock } from '../clock.js';
import type { WalError } from '../errors.js';
import type { Streams } from './state.js';
import type { Changes } from './store.js';

/** What becomes of appends: they go in, wait in the queue, or are refused. Other changes always go in. */
export type Gate = { at: 'open' } | { at: 'held' } | { at: 'refusing'; error: () => WalError };

/** What the writer is at. */
export type Phase =
  | { at: 'open' }
  /** The disk refused a commit; nothing is written until it is settled. `givenUp`: what appends that hold a seq were told. */
  | { at: 'settling'; givenUp?: WalError }
  | { at: 'failed'; error: WalError }
  | { at: 'closed' };

/**
 * What became of a rejected write: whether what it wanted is there; and, where the database had to be repaired,
 * where every stream stands now.
 */
export type Settled = boolean | { readonly isThere: boolean; readonly streams: Streams };

/** What the writer needs of the log around it. */
export interface WriterContext {
  readonly clock: Clock;
  /** The first part of the ids that it gives. */
  readonly writerId: () => string;
  /** Writes durably, as `Store.commit` says. */
  readonly write: (changes: Changes) => Promise<void>;
  /** Called after each commit, with the state that is on disk now. */
  readonly committed: (streams: Streams, changedKinds: readonly string[]) => void;
  /**
   * Called after a rejected write; the handle is poisoned. Resolves when it can be written again, and says
   * whether what the commit wanted is there. Until then it may call `giveUp`, when it will take long. Rejects
   * where there will be no more writing.
   */
  readonly settle: (changes: Changes, error: Error, giveUp: () => void) => Promise<Settled>;
  /** Called when seqs that were given may come again for other records. */
  readonly renewWriterId: () => void;
}
