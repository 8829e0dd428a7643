// How the receiver says no: one class that carries the answer, and the stable codes of its body.

/**
 * The `code` of `{ "error": { "code", "message" } }`. Codes are API: they never change. Messages may.
 *
 * | code | status | meaning |
 * | --- | --- | --- |
 * | `bad_request` | 400 | a target that is no URL, a method that HTTP libraries refuse, or a query that does not fit |
 * | `not_found` | 404 | neither `/api/{kind}/v1/ingest` nor `/api/logs` |
 * | `method_not_allowed` | 405 | not POST, or not GET for `/api/logs` |
 * | `unauthorized` | 401 | no token, or one that is not valid (any more) |
 * | `forbidden` | 403 | a valid token that may not do this |
 * | `bad_signature` | 401 | not signed, wrongly signed, or not what was signed |
 * | `bad_header` | 400 | `wal-log`, `wal-instance` or `idempotency-key` does not fit |
 * | `unsupported_media_type` | 415 | not `application/x-ndjson` |
 * | `unsupported_encoding` | 415 | a `content-encoding` other than gzip |
 * | `incomplete_body` | 400 | the body broke off |
 * | `request_timeout` | 408 | the body took longer than `bodyMsMax` |
 * | `body_too_large` | 413 | over `bodyBytesMax`, or `inflatedBytesMax` once inflated |
 * | `line_too_large` | 413 | a line over `lineBytesMax` |
 * | `too_many_lines` | 413 | over `linesMax` |
 * | `bad_gzip` | 400 | cut off, damaged, or followed by something else |
 * | `bad_utf8` | 400 | not UTF-8 |
 * | `bad_line` | 400 | a line that is no JSON object with an id: it can't be answered for by id |
 * | `empty_body` | 400 | no line at all |
 * | `overloaded` | 503 | more requests are being read than memory should hold |
 * | `unavailable` | 503 | the store, or where the keys of tokens are, does not answer |
 * | `internal` | 500 | a bug |
 */
export type IngestErrorCode =
  | 'bad_request'
  | 'not_found'
  | 'method_not_allowed'
  | 'unauthorized'
  | 'forbidden'
  | 'bad_signature'
  | 'bad_header'
  | 'unsupported_media_type'
  | 'unsupported_encoding'
  | 'incomplete_body'
  | 'request_timeout'
  | 'body_too_large'
  | 'line_too_large'
  | 'too_many_lines'
  | 'bad_gzip'
  | 'bad_utf8'
  | 'bad_line'
  | 'empty_body'
  | 'overloaded'
  | 'unavailable'
  | 'internal';

/** Thrown where a request turns out to be unacceptable; the handler makes the answer of it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: IngestErrorCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: IngestErrorCode,
    message: string,
    options: { headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.code = code;
    this.headers = options.headers ?? {};
  }

  toResponse(): Response {
    const { status, code, message, headers } = this;
    return Response.json({ error: { code, message } }, { status, headers });
  }
}
