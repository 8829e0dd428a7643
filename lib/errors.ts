// The one error class of the library. Codes are API: they never change. Messages may.

/**
 * What went wrong, as a stable word to switch on.
 *
 * | code | meaning |
 * | --- | --- |
 * | `WAL_CONFIG` | an option, an environment variable or a call does not fit; the message names it |
 * | `WAL_LOCKED` | another process, named by its pid, holds this log |
 * | `WAL_CLOSED` | the log or the shipper was closed |
 * | `WAL_RECORD_INVALID` | not a plain object, or not serialisable as JSON |
 * | `WAL_RECORD_TOO_LARGE` | over the stream's `maxRecordBytes` |
 * | `WAL_UNKNOWN_KIND` | no stream of that name |
 * | `WAL_FULL` | a `reject` stream has filled its share of the budget, or the disk is full |
 * | `WAL_OVERLOADED` | more appends are waiting for the disk than memory should hold |
 * | `WAL_IO` | the disk refused; for an append: unknown, the record may yet be delivered |
 * | `WAL_CORRUPT` | what was read is not what was written |
 * | `WAL_FORMAT_TOO_NEW` | a newer version of this library wrote this log |
 */
export type WalErrorCode =
  | 'WAL_CONFIG'
  | 'WAL_LOCKED'
  | 'WAL_CLOSED'
  | 'WAL_RECORD_INVALID'
  | 'WAL_RECORD_TOO_LARGE'
  | 'WAL_UNKNOWN_KIND'
  | 'WAL_FULL'
  | 'WAL_OVERLOADED'
  | 'WAL_IO'
  | 'WAL_CORRUPT'
  | 'WAL_FORMAT_TOO_NEW';

export class WalError extends Error {
  override readonly name = 'WalError';
  readonly code: WalErrorCode;

  constructor(code: WalErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything that was thrown, for messages that wrap it. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    // An object that can't be made a string: not every thrown thing is an error.
    return typeof error;
  }
}
