// What the shipper needs of a destination, and what it hands to one. Knows nothing of HTTP or LevelDB.

/**
 * Where a shipper delivers. Write one to deliver anywhere: a bus, a bucket, another log. The README has a short one.
 *
 * What it is given:
 *
 * - `send` is called with one batch at a time per shipper and log; a sink that serves several of them (a process also
 *   delivers the logs of dead instances that it has adopted) is called by each, at the same time.
 * - A batch comes again, with the same ids and lines, until `send` resolves with a receipt that adds up. After a crash
 *   between the answer and the acknowledgement its lines come again in other batches. So the destination must be
 *   idempotent by the lines' ids: same id, same content.
 * - Mostly seqs go up from batch to batch, but not always: where records are refused, later ones may be sent before
 *   them, singly, to see whether anything is taken; they come again in their turn, and are duplicates then. The
 *   notice for a refused record comes behind the batch that it was in. So order by seq, not by arrival, and take
 *   nothing for sent because something after it was. The same goes for `too-large` of a single line.
 * - The bytes of a line are for whoever comes after; a sink that needs its id or seq finds both at its beginning.
 *
 * What it must do:
 *
 * - Resolving deletes: resolve only when the destination has the batch as durably as it ever will, and account for
 *   every line, once.
 * - Throw a `SinkError` to say what kind of failure it was; any other error counts as an outage. Part of a batch may
 *   have been taken then: it comes again.
 * - Not try again, nor wait before it does: that is the shipper's, which sees and shows it. Give up after a bounded
 *   time: nothing else ends a `send` that hangs, and its stream stands still.
 * - Honour `signal`, which fires on `stop` and `close`: begin nothing more and reject soon, with anything. But never
 *   throw away a receipt that was earned: what is about to be answered may be waited for, for a moment, and where
 *   the destination has every line, resolve as ever; it is acknowledged, and does not come twice.
 */
export interface Sink {
  /**
   * Names the destination in stats, events and messages: what is down together, an origin, say, and never a password.
   * Streams whose sinks share a name share a circuit breaker, so two destinations must not.
   */
  readonly name: string;
  /** `false` where the destination cannot take notices; they are then settled without being sent. @default true */
  readonly notices?: boolean;
  /** How far the destination's clock is ahead of this one, in ms, where the sink has measured it; shown in stats. */
  readonly clockSkewMs?: number | undefined;
  /** The body of a batch that it sends: made while the batch before is on its way. @default made when it is asked for */
  readonly body?: 'gzip' | undefined;
  send(batch: Batch, context: SendContext): Promise<Receipt>;
  /** Called once nothing is sent any more; what it rejects with is ignored. Called again, it does nothing. */
  close?(): Promise<void>;
}

export interface SendContext {
  signal: AbortSignal;
  /** 1 for the first try of this batch, then 2, 3 … */
  attempt: number;
}

/** Records of one stream, in order, between two cursor positions. Unchanged between tries. */
export interface Batch {
  /** `<logId>:<kind>:<firstSeq>-<lastSeq>:<crc32 of the lines, 8 hex digits>`: the idempotency key. */
  readonly id: string;
  readonly logId: string;
  readonly service: string;
  readonly instance: string;
  readonly kind: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Lines in the batch: records and notices. */
  readonly count: number;
  /** Bytes of `lines()`. */
  readonly lineBytes: number;
  /** The NDJSON body, each line ended by `\n`. */
  lines(): Promise<Buffer>;
  /** The same as one gzip member, assembled from what is stored. To keep: nothing changes it later. */
  gzip(): Promise<Buffer>;
}

/** A destination's word on a batch. Proof only where `accepted + duplicates + rejected.length === batch.count`. */
export interface Receipt {
  /** Lines stored now. */
  accepted: number;
  /** Lines that were there already. @default 0 */
  duplicates?: number;
  /** Lines that the destination refuses for good, by id. @default [] */
  rejected?: { id: string; reason: string }[];
}

/**
 * Why a batch was not settled.
 *
 * - `outage`: not there, overloaded, timed out; trying again is right
 * - `unauthorized`: the credentials were refused; a new token, then like `misconfigured`
 * - `too-large`: the batch is too big for the destination
 * - `refused`: the destination says that the content is wrong
 * - `unproven`: an answer that proves nothing
 * - `misconfigured`: the destination will not take anything until someone changes something
 */
export type FailureKind = 'outage' | 'unauthorized' | 'too-large' | 'refused' | 'unproven' | 'misconfigured';

export class SinkError extends Error {
  override readonly name = 'SinkError';
  readonly failure: FailureKind;
  /** HTTP status, where there was one. */
  readonly status: number | undefined;
  /** What the destination asked for by `Retry-After`, in ms. */
  readonly retryAfterMs: number | undefined;
  /** The beginning of the answer's body, for people. At most 1,024 characters. */
  readonly response: string | undefined;

  constructor(
    failure: FailureKind,
    message: string,
    details: { status?: number; retryAfterMs?: number; response?: string; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.failure = failure;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
    this.response = details.response;
  }
}
