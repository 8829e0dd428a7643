// What the middleware of every framework takes, and checks at the door.

import { WalError } from '../../index.js';
import type { Clock } from '../../index.js';
import type { AuditLog, AuditParty } from '../audit.js';

export interface HttpAuditOptions<Request> {
  wal: AuditLog;
  /** Stands in every event; receivers expect the log's own. */
  service: string;
  /**
   * Who asks. Called for the begin event and again for the end event, where authentication may know more.
   * @default nobody: `{ anonymous: true, ip }`, also where this returns nothing
   */
  actor?: (request: Request) => AuditParty | undefined;
  /** Paths that are not audited, exactly as they are requested, without their query. @default HEALTH_PATHS */
  skip?: readonly string[];
  /**
   * Whether a request is refused with 503 when its begin event can't be made durable, and gets no answer when its
   * end event can't: the connection is destroyed, as in a crash, and the events show it begun and never ended. Without
   * it, such requests are answered, and counted as failures. @default false
   */
  failClosed?: boolean;
  /**
   * How long a request waits for each of its events, in ms: a disk that hangs must not hang the service. Beyond it, the
   * event counts as one that can't be made durable; it may be there later. Integer, 1 to 600,000. @default 5000
   */
  maxWaitMs?: number;
  /** Called with what operators should know. What it throws is ignored. */
  onEvent?: (event: HttpAuditEvent) => void;
  /** For tests: another source of time. */
  clock?: Clock;
}

export type HttpAuditEvent =
  /** An event could not be made durable. Raised once until one can again. */
  | { type: 'audit-failing'; message: string; cause: unknown }
  /** Events are durable again; so many were not. */
  | { type: 'audit-recovered'; failures: number };

/** What orchestrators and scrapers ask for all day. */
export const HEALTH_PATHS: readonly string[] = [
  '/health',
  '/healthz',
  '/livez',
  '/readyz',
  '/live',
  '/ready',
  '/ping',
  '/metrics',
];

export const WAIT_MS = 5000;
const WAIT_MS_MAX = 600_000;

/** @throws {WalError} `WAL_CONFIG` naming the option. */
export function checkHttpOptions<Request>(options: HttpAuditOptions<Request>): void {
  const { actor, skip = HEALTH_PATHS, failClosed = false, maxWaitMs = WAIT_MS, onEvent } = options;
  if (actor !== undefined && typeof actor !== 'function') throw expected('actor', 'a function', actor);
  if (!Array.isArray(skip) || !skip.every((path) => typeof path === 'string' && path.startsWith('/'))) {
    throw expected('skip', 'a list of paths, each beginning with a slash', skip);
  }
  if (typeof failClosed !== 'boolean') throw expected('failClosed', 'true or false', failClosed);
  if (!Number.isSafeInteger(maxWaitMs) || maxWaitMs < 1 || maxWaitMs > WAIT_MS_MAX) {
    throw expected('maxWaitMs', `an integer from 1 to ${WAIT_MS_MAX}`, maxWaitMs);
  }
  if (onEvent !== undefined && typeof onEvent !== 'function')
    throw expected('onEvent', 'a function', onEvent);
}

function expected(option: string, what: string, got: unknown): WalError {
  return new WalError(
    'WAL_CONFIG',
    `expected ${option} to be ${what}, got ${JSON.stringify(got) ?? typeof got}`,
  );
}
