// The receiver: one request in, one answer out. Says in which order a request is judged; what each judgement
// is, the files beside it know. Knows no server and no database.

import type { Clock } from '../clock.js';
import { WalError } from '../errors.js';
import { KIND_PATTERN } from '../records.js';
import type { Authenticate, Caller } from './auth.js';
import { forbidden, tokenAuthentication } from './auth.js';
import type { Hold } from './body.js';
import { checkUtf8, inflate, memoryBudget, readBody } from './body.js';
import { listLogs } from './continuity.js';
import type { LogList } from './continuity.js';
import type { CheckedLines, Rejection } from './lines.js';
import { LOG_ID_PATTERN, checkLines } from './lines.js';
import { checkOptions } from './options.js';
import type { IngestLimits, IngestOptions, IngestRequest } from './options.js';
import { Refusal } from './refusal.js';
import type { VerifySignature } from './signature.js';
import { signatureVerification } from './signature.js';
import type { IngestStore } from './store.js';

/** The body of a 200: `accepted + duplicates + rejected.length` is the number of lines sent. */
export interface IngestAnswer {
  /** Lines stored now. */
  accepted: number;
  /** Lines that were there already. */
  duplicates: number;
  /** Lines that will never be stored, and why. */
  rejected: Rejection[];
}

/** Never rejects: whatever goes wrong is an answer. */
export type IngestHandler = (request: Request) => Promise<Response>;

const INGEST_PATTERN = /^\/api\/([^/]+)\/v1\/ingest$/;
const LOGS_PATH = '/api/logs';
/** Logs whose owner is remembered; beyond it the one looked up first is looked up again. */
const OWNERS_MAX = 10_000;
const INSTANCE_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
const CONFLICT = 'another line is stored under this id';

/**
 * The receiver's end of the wire: takes `POST /api/{kind}/v1/ingest`, and answers 200 with an `IngestAnswer`
 * once what it accepted is on disk, or an error as `{ "error": { "code", "message" } }`, see
 * `IngestErrorCode`. `GET /api/logs[?kind=K][&log=ID]` answers a `LogList`: what it has of each log of the
 * caller's, and what is missing; with a token, and never signed. For Node's `http`, wrap it with `toNodeListener`, or serve it with `serveIngest`.
 *
 * ```ts
 * const store = await openLevelStore('/var/lib/ingest');
 * const handler = createIngestHandler({ store, auth: { issuer, audience, secret } });
 * const server = await serveIngest({ handler, port: 8080 });
 * ```
 *
 * @throws {WalError} `WAL_CONFIG` naming the option that does not fit.
 */
export function createIngestHandler(options: IngestOptions): IngestHandler {
  const receiver = new Receiver(options);
  return (request) => receiver.answer(request);
}

class Receiver {
  readonly #store: IngestStore;
  readonly #authenticate: Authenticate | undefined;
  readonly #authorize: IngestOptions['authorize'];
  readonly #verifySignature: VerifySignature | undefined;
  readonly #limits: IngestLimits;
  readonly #holdMemory: () => Hold;
  readonly #basePath: string;
  readonly #onError: (error: unknown) => void;
  readonly #clock: Clock;
  /** Whose a log is, as far as it was looked up: what is known of it does not change. */
  readonly #owners = new Map<string, string>();

  constructor(options: IngestOptions) {
    const { store, auth, authorize, signing, limits, basePath, onError, clock } = checkOptions(options);
    this.#store = store;
    this.#authenticate = auth ? tokenAuthentication(auth, clock) : undefined;
    this.#authorize = authorize;
    this.#verifySignature = signing && signatureVerification(signing, clock);
    this.#limits = limits;
    this.#holdMemory = memoryBudget(limits.pendingBytesMax);
    this.#basePath = basePath;
    this.#onError = onError;
    this.#clock = clock;
  }

  async answer(request: Request): Promise<Response> {
    const hold = this.#holdMemory();
    try {
      return Response.json(await this.#answer(request, hold));
    } catch (error) {
      if (error instanceof Refusal) return error.toResponse();
      this.#onError(error);
      return refusalOf(error).toResponse();
    } finally {
      hold.release();
    }
  }

  async #answer(request: Request, hold: Hold): Promise<IngestAnswer | LogList> {
    const { pathname, searchParams } = new URL(request.url);
    const path = pathname.startsWith(this.#basePath) ? pathname.slice(this.#basePath.length) : '';
    if (path === LOGS_PATH) {
      allow(request, 'GET');
      return await this.#logs(searchParams, await this.#authenticate?.(request));
    }
    const kind = INGEST_PATTERN.exec(path)?.[1];
    if (kind === undefined || !KIND_PATTERN.test(kind)) {
      throw new Refusal(404, 'not_found', `there is nothing at ${pathname}`.slice(0, 200));
    }
    allow(request, 'POST');
    return await this.#ingest(request, { kind, ...senderOf(kind, request.headers) }, hold);
  }

  async #ingest(request: Request, about: IngestRequest, hold: Hold): Promise<IngestAnswer> {
    // What costs least and tells a stranger least comes first: nothing of a body is read for one who may not send.
    const caller = await this.#admit(request, about);
    const checkBody = await this.#verifySignature?.(request);
    const gzipped = isGzipped(request.headers);
    const sent = await readBody(request, this.#limits, hold, this.#clock);
    // Checked as sent: nothing is inflated that its sender has not signed.
    checkBody?.(sent);
    const body = gzipped ? await inflate(sent, this.#limits, hold) : sent;
    checkUtf8(body);
    const checked = checkLines(body, { ...about, mayWriteFor: caller?.mayWriteFor }, this.#limits);
    return await this.#keep(checked, about, caller);
  }

  async #logs(query: URLSearchParams, caller: Caller | undefined): Promise<LogList> {
    const kind = query.get('kind') ?? undefined;
    if (kind !== undefined && !KIND_PATTERN.test(kind)) {
      throw new Refusal(400, 'bad_request', 'expected kind to be the name of a kind');
    }
    const logId = query.get('log') ?? undefined;
    return await listLogs(this.#store, { kind, logId, isListed: caller?.mayWriteFor });
  }

  async #admit(request: Request, about: IngestRequest): Promise<Caller | undefined> {
    const caller = await this.#authenticate?.(request);
    if (caller && this.#authorize && !(await this.#authorize(caller, about))) {
      throw forbidden(`${caller.service} may not send '${about.kind}' here`);
    }
    return caller;
  }

  async #keep(
    { count, acceptable, rejected }: CheckedLines,
    { kind, logId, instance }: IngestRequest,
    caller: Caller | undefined,
  ): Promise<IngestAnswer> {
    const service = caller && (await this.#ownerOf(logId, caller));
    const batch = { kind, logId, instance, service, lines: acceptable };
    const { accepted, duplicates, conflicts } =
      acceptable.length > 0 ? await this.#store.store(batch) : { accepted: 0, duplicates: 0, conflicts: [] };
    const refused = [...rejected, ...conflicts.map((id) => ({ id, reason: CONFLICT }))];
    // The sender deletes on this sum, so a store that can't count must not be believed.
    if (accepted + duplicates + refused.length !== count) {
      throw new Error(
        `the store accounts for ${accepted + duplicates + conflicts.length} of ${acceptable.length} lines`,
      );
    }
    return { accepted, duplicates, rejected: refused };
  }

  /**
   * Whose a log is: its service's alone, and of whoever may write for that. What another says of it, in a notice,
   * could hide that something is missing.
   */
  async #ownerOf(logId: string | undefined, caller: Caller): Promise<string> {
    if (logId === undefined) return caller.service;
    const known = this.#owners.get(logId);
    const owner = known ?? (await this.#store.ownerOf(logId));
    // Nobody's yet: whoever stores the first batch of it is the owner, and is found at the next.
    if (owner === undefined) return caller.service;
    if (!caller.mayWriteFor(owner)) throw forbidden(`the log ${logId} is of another service`);
    if (known === undefined) this.#remember(logId, owner);
    return owner;
  }

  #remember(logId: string, owner: string): void {
    const [oldest] = this.#owners.keys();
    if (oldest !== undefined && this.#owners.size >= OWNERS_MAX) this.#owners.delete(oldest);
    this.#owners.set(logId, owner);
  }
}

function allow({ method }: Request, allowed: string): void {
  if (method === allowed) return;
  throw new Refusal(405, 'method_not_allowed', `${method} is not for this; ${allowed} is`, {
    headers: { allow: allowed },
  });
}

/** Whose log it is. All three headers may be missing; what is there must be what a log sends. */
function senderOf(kind: string, headers: Headers): Pick<IngestRequest, 'logId' | 'instance'> {
  const logId = headers.get('wal-log') ?? undefined;
  const instance = headers.get('wal-instance') ?? undefined;
  const key = headers.get('idempotency-key');
  if (logId !== undefined && !LOG_ID_PATTERN.test(logId)) throw badHeader('wal-log', LOG_ID_PATTERN.source);
  if (instance !== undefined && !INSTANCE_PATTERN.test(instance)) {
    throw badHeader('wal-instance', INSTANCE_PATTERN.source);
  }
  // A signature covers the key and not wal-log, so only their agreement makes wal-log as good as signed.
  if (logId !== undefined && key !== null && !key.startsWith(`${logId}:${kind}:`)) {
    throw badHeader('idempotency-key', `'<wal-log>:${kind}:' and what is in the batch`);
  }
  return { logId, instance };
}

function badHeader(name: string, what: string): Refusal {
  return new Refusal(400, 'bad_header', `expected ${name} to be ${what}`);
}

/** Whether the body is gzipped. */
function isGzipped(headers: Headers): boolean {
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/x-ndjson') {
    throw new Refusal(415, 'unsupported_media_type', 'expected content-type to be application/x-ndjson', {
      headers: { accept: 'application/x-ndjson' },
    });
  }
  const encoding = (headers.get('content-encoding') ?? 'identity').trim().toLowerCase();
  if (encoding === 'gzip' || encoding === 'identity') return encoding === 'gzip';
  throw new Refusal(415, 'unsupported_encoding', 'expected content-encoding to be gzip or absent', {
    headers: { 'accept-encoding': 'gzip' },
  });
}

/** The answer to what no request should lead to. The details go to `onError`, not to the caller. */
function refusalOf(error: unknown): Refusal {
  if (!(error instanceof WalError))
    return new Refusal(500, 'internal', 'the receiver failed; its log says why');
  return new Refusal(503, 'unavailable', 'the receiver can not do this now; send the same again later', {
    headers: { 'retry-after': '1' },
  });
}
