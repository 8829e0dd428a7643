// Requests and their pairs of audit events, whatever framework they come through: the begin event is on disk before
// the request is handled, the end event before the last of its answer leaves. Between a crash and a client, one
// knows: who has the whole answer has both events in the log.

import type { ServerResponse } from 'node:http';
import { WalError, systemClock } from '../../index.js';
import type { Clock } from '../../index.js';
import { createAudit } from '../audit.js';
import type { Audit, AuditOperation, AuditParty, AuditSubject } from '../audit.js';
import { Failures } from './failures.js';
import { holdAnswer } from './hold.js';
import { HEALTH_PATHS, WAIT_MS, checkHttpOptions } from './options.js';
import type { HttpAuditOptions } from './options.js';

/** What the events tell of a request, as far as it is known when they are asked for. */
export interface RequestFacts {
  readonly method: string;
  readonly requestId: string;
  /** Whose it is where nobody says: undefined when the connection is gone. */
  readonly ip: string | undefined;
  /** The pattern of its route, never the path as it was asked for. */
  route(): string | undefined;
  /** The option's answer. */
  actor(): AuditParty | undefined;
}

/** Stands for a route that is not known (yet), or that there is none. */
const NO_ROUTE = 'unknown';

/** The answer where a request is refused in `failClosed` mode. */
export const REFUSAL = {
  status: 503,
  body: { error: 'Service Unavailable', message: 'the request cannot be audited' },
} as const;

export class AuditedRequests<Request> {
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #skipped: ReadonlySet<string>;
  readonly #failClosed: boolean;
  readonly #maxWaitMs: number;
  readonly #failures: Failures;
  /** A middleware that is mounted twice meets a request twice. */
  readonly #admitted = new WeakSet<ServerResponse>();

  /** @throws {WalError} `WAL_CONFIG`: an option does not fit. */
  constructor(options: HttpAuditOptions<Request>) {
    checkHttpOptions(options);
    const { wal, service, clock = systemClock, onEvent } = options;
    const { skip = HEALTH_PATHS, failClosed = false, maxWaitMs = WAIT_MS } = options;
    this.#audit = createAudit({ wal, service, clock });
    this.#clock = clock;
    this.#skipped = new Set(skip);
    this.#failClosed = failClosed;
    this.#maxWaitMs = maxWaitMs;
    this.#failures = new Failures(onEvent);
  }

  /** Events that could not be made durable. */
  get failures(): number {
    return this.#failures.count;
  }

  /** Whether a request is not audited: by its path, or because it is already. */
  skips(url: string, response: ServerResponse): boolean {
    const query = url.indexOf('?');
    return this.#skipped.has(query === -1 ? url : url.slice(0, query)) || this.#admitted.has(response);
  }

  /**
   * Begins a request's pair; from then on it ends by itself. Resolves with false where the request is to be refused.
   * Never rejects.
   */
  async admit(facts: RequestFacts, response: ServerResponse): Promise<boolean> {
    this.#admitted.add(response);
    const startedAt = this.#clock.monotonic();
    let isGone = false;
    const gone = (): void => void (isGone = true);
    // The client may go while the disk is busy.
    response.once('close', gone);
    let operation: AuditOperation;
    try {
      operation = await this.#inTime(this.#audit.begin(subjectOf(facts)));
    } catch (error) {
      this.#failures.failed(error);
      return !this.#failClosed;
    } finally {
      response.off('close', gone);
    }
    this.#failures.succeeded();
    const end = this.#endOnce(operation, facts, startedAt);
    if (isGone || response.destroyed) void end('aborted');
    else response.once('close', () => void end('aborted'));
    holdAnswer(response, async () => (await end(response.statusCode)) || !this.#failClosed);
    return true;
  }

  /** Ends the pair with a status or with none, the first time; resolves with whether the end event is durable. */
  #endOnce(operation: AuditOperation, facts: RequestFacts, startedAt: number) {
    let ending: Promise<boolean> | undefined;
    const append = async (came: number | 'aborted'): Promise<boolean> => {
      try {
        const durationMs = Math.round((this.#clock.monotonic() - startedAt) * 1000) / 1000;
        const { actor, resource } = subjectOf(facts);
        const data = came === 'aborted' ? { durationMs } : { status: came, durationMs };
        await this.#inTime(operation.end({ outcome: outcomeOf(came), actor, resource, data }));
        this.#failures.succeeded();
        return true;
      } catch (error) {
        this.#failures.failed(error);
        return false;
      }
    };
    return (came: number | 'aborted'): Promise<boolean> => (ending ??= append(came));
  }

  /** The receipt, or a failure after `maxWaitMs`: what comes later changes nothing for the request. */
  async #inTime<T>(appended: Promise<T>): Promise<T> {
    const settled = new AbortController();
    const late = this.#clock.sleep(this.#maxWaitMs, settled.signal).then((): T => {
      throw new WalError('WAL_IO', `not on disk after ${this.#maxWaitMs} ms; it may be later`);
    });
    try {
      return await Promise.race([appended, late]);
    } finally {
      settled.abort();
    }
  }
}

function subjectOf(facts: RequestFacts): AuditSubject {
  const { method, requestId, ip } = facts;
  const actor = facts.actor() ?? { anonymous: true, ...(ip !== undefined && { ip }) };
  return { actor, action: method, resource: facts.route() ?? NO_ROUTE, ctx: { requestId } };
}

/** Client errors were refused, server errors failed; an answer that did not leave was aborted. */
function outcomeOf(came: number | 'aborted'): string {
  if (came === 'aborted') return came;
  if (came >= 500) return 'failed';
  return came >= 400 ? 'refused' : 'ok';
}
