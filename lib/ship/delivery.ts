// One batch until it is settled: tries, waits, tries again, for ever, until a receipt proves it, the destination
// refuses it, or it is told to stop. Knows nothing of the log.

import pRetry, { AbortError } from 'p-retry';
import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { Breaker } from './breaker.js';
import { HeldBack } from './breaker.js';
import { longerOf } from './patience.js';
import type { RefusedRecord } from './receipt.js';
import { prove } from './receipt.js';
import type { Batch, SendContext, Sink } from './sink.js';
import { SinkError } from './sink.js';

/** The most that a wait is drawn from, in ms, unless the destination asks for longer. */
const WAIT_MS_MAX = 60_000;
const WAIT_MS_FIRST = 1_000;
/** Lines of the first batch after the breaker was open: it is sent to see whether the destination is back. */
export const PROBE_LINES_MAX = 64;

export interface DeliveryContext {
  readonly sink: Sink;
  readonly breaker: Breaker;
  readonly clock: Clock;
  /** A number from 0 to 1, as Math.random. */
  readonly random: () => number;
  /** Ends waits at once and tells the sink to give up. */
  readonly signal: AbortSignal;
  /** A try failed; the next one comes after `waitMs`. */
  readonly onFailed: (error: SinkError, waitMs: number) => void;
  /** The batch is about to be sent. */
  readonly onTry: () => void;
}

export type Delivery =
  /** The destination has every line but the refused ones. */
  | { is: 'settled'; refused: readonly RefusedRecord[] }
  /** The destination takes less at a time; split it. */
  | { is: 'too-large' }
  /** The destination says that the content is wrong, or that a single line is too large. */
  | { is: 'refused'; error: SinkError }
  /** The breaker was open: begin with less. */
  | { is: 'held-back' }
  | { is: 'stopped' };

/**
 * Delivers a batch; what goes wrong at the destination is tried again, for ever.
 *
 * @throws {WalError} Where the batch can't be read.
 */
export async function deliver(batch: Batch, context: DeliveryContext): Promise<Delivery> {
  const { sink, breaker, clock, signal } = context;
  let given: Delivery | undefined;
  let wasOpen = false;
  try {
    const refused = await pRetry(
      async (attempt) => {
        if (signal.aborted) throw new AbortError('stopped');
        if (wasOpen && batch.count > PROBE_LINES_MAX) {
          given = { is: 'held-back' };
          throw new AbortError('held back');
        }
        try {
          return await breaker.run(async () => {
            context.onTry();
            return await prove(batch, await trySend(sink, batch, { signal, attempt }));
          });
        } catch (error) {
          given = givenBack(error, batch);
          if (given || signal.aborted || isUnreadable(error)) throw new AbortError(error as Error);
          throw error;
        }
      },
      {
        retries: Infinity,
        // The wait is made here, with full jitter, in a way that `stop` can end: p-retry's own overflows
        // after 23 tries. Its signal is not used either: it would throw away a receipt that came with it.
        minTimeout: 0,
        maxTimeout: 0,
        onFailedAttempt: async ({ error, attemptNumber }) => {
          const waitMs = waitAfter(error as SinkError, attemptNumber, breaker.openForMs, context.random());
          wasOpen ||= isHeldBack(error as SinkError, breaker);
          context.onFailed(error as SinkError, waitMs);
          await clock.sleep(waitMs, signal);
        },
      },
    );
    return { is: 'settled', refused };
  } catch (error) {
    if (given) return given;
    if (signal.aborted) return { is: 'stopped' };
    throw error;
  }
}

/** Whether the next try has to wait for the breaker. */
export function isHeldBack(error: SinkError, breaker: Breaker): boolean {
  return breaker.openForMs > 0 || error instanceof HeldBack;
}

/** What trying the same batch again would not change; `undefined` for anything else. */
function givenBack(error: unknown, batch: Batch): Delivery | undefined {
  if (!(error instanceof SinkError)) return undefined;
  if (error.failure === 'refused') return { is: 'refused', error };
  if (error.failure !== 'too-large') return undefined;
  return batch.count > 1 ? { is: 'too-large' } : { is: 'refused', error };
}

/** One try. Whatever a sink throws becomes a SinkError: p-retry gives up on a TypeError, and an outage is no bug of ours. */
async function trySend(sink: Sink, batch: Batch, context: SendContext): Promise<unknown> {
  try {
    return await sink.send(batch, context);
  } catch (error) {
    if (error instanceof SinkError || isUnreadable(error)) throw error;
    throw new SinkError('outage', messageOf(error), { cause: error });
  }
}

/** What can't be read here is no outage there. Any other WalError is the sink's own: it may well deliver into another log. */
function isUnreadable(error: unknown): boolean {
  return error instanceof WalError && error.code === 'WAL_CORRUPT';
}

/**
 * How long to wait after a failed try, in ms: full jitter under a doubling bound, up to a minute. Where someone
 * has to change something first, at least half a minute. While the breaker is open, until it lets a probe
 * through, so that the end of an outage is noticed within that time; while another's probe is on its way, a second
 * at most, as it costs nothing to ask. `Retry-After` where it is longer.
 */
export function waitAfter(error: SinkError, attempt: number, openForMs: number, random: number): number {
  const doublings = error instanceof HeldBack ? 0 : Math.min(attempt - 1, 10);
  const bound = Math.min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** doublings);
  const needsSomeone = ['unauthorized', 'misconfigured'].includes(error.failure);
  const jittered = needsSomeone ? WAIT_MS_MAX * (0.5 + random / 2) : bound * random;
  const waitMs = openForMs > 0 ? openForMs : jittered;
  return longerOf(waitMs, error);
}
