// Audit events. `record` resolves once the event is on disk, or rejects; `begin` and `end` are for what has its
// outcome later, so that a crash between them shows. Knows the log by its `append` alone.

import { randomUUID } from 'node:crypto';
import { WalError, systemClock } from '../index.js';
import type { AppendReceipt, AuditRecord, Clock } from '../index.js';
import { checkAuditRecord, checkMembers } from './audit-record.js';

export { unended } from './unended.js';
export type { AuditItem, UnendedOperation } from './unended.js';

/** What is needed of a log: any `Wal` whose `audit` stream takes AuditRecords. */
export interface AuditLog {
  append(kind: 'audit', record: AuditRecord): Promise<AppendReceipt>;
}

export interface AuditOptions {
  wal: AuditLog;
  /** Stands in every event; receivers expect the log's own. */
  service: string;
  /** For tests: another source of time. */
  clock?: Clock;
}

/** More about an event. `operation` is taken: it links the begin and the end of an operation. */
export type AuditContext = Record<string, unknown> & { operation?: never };

/** Someone or something: a name, or an object that says more. Not the promise of one. */
export type AuditParty = string | ((object | Record<string, unknown>) & { then?: never });

/** Who does what to what. */
export interface AuditSubject {
  actor: AuditParty;
  action: string;
  resource: AuditParty;
  ctx?: AuditContext;
  data?: unknown;
}

export interface AuditEvent extends AuditSubject {
  /** `begun` is taken: it stands in the begin event of an operation. */
  outcome: string;
}

/** What came of an operation. What is given here stands in the end event instead of what it began with; `ctx` adds to it. */
export interface AuditEnd extends Partial<Omit<AuditSubject, 'action'>> {
  outcome: string;
}

export interface Audit {
  /**
   * Appends an event; resolves when it is on disk.
   *
   * @throws {WalError} As `Wal.append`: the event is not in the log, and what it tells of should not happen. After
   *   `WAL_IO` it may yet be there. `WAL_RECORD_INVALID` also where something is missing, or
   *   has no place in an event.
   */
  record(event: AuditEvent): Promise<AppendReceipt>;
  /**
   * Appends the begin event of an operation: outcome `begun`, `ctx.operation` `{ id, phase: 'begin' }`. Resolves
   * when it is on disk: then do it, and say by `end` what came of it.
   *
   * @throws {WalError} As `record`: the operation has not begun. After `WAL_IO`, it may show as begun and never ended.
   */
  begin(subject: AuditSubject): Promise<AuditOperation>;
}

export interface AuditOperation {
  /** Links the two events: a random UUID. */
  readonly id: string;
  /** Where the begin event is. */
  readonly begun: AppendReceipt;
  /**
   * Appends the end event; resolves when it is on disk. Where that fails and the event is certainly not in the log,
   * `end` may be called again.
   *
   * @throws {WalError} As `Wal.append`. `WAL_CONFIG`: it has ended already, or is about to; or the last try was
   *   `WAL_IO`, so that a second end event might be one too many.
   */
  end(end: AuditEnd): Promise<AppendReceipt>;
}

const SUBJECT_MEMBERS = ['actor', 'action', 'resource', 'ctx', 'data'];
const EVENT_MEMBERS = [...SUBJECT_MEMBERS, 'outcome'];
const END_MEMBERS = EVENT_MEMBERS.filter((name) => name !== 'action');

/** The outcome in an operation's begin event. */
export const BEGUN = 'begun';

/**
 * Audit events for one service.
 *
 * @example
 * const audit = createAudit({ wal, service: 'gateway' });
 * await audit.record({ actor: 'u-1', action: 'login', resource: 'session', outcome: 'ok' });
 * const payout = await audit.begin({ actor: 'u-1', action: 'payout', resource: 'account-7' });
 * await payout.end({ outcome: 'ok', data: { cents: 1200 } });
 *
 * @throws {WalError} `WAL_CONFIG`: an option does not fit.
 */
export function createAudit(options: AuditOptions): Audit {
  const { wal, service, clock = systemClock } = options;
  if (typeof wal?.append !== 'function') throw new WalError('WAL_CONFIG', 'expected wal to be an open Wal');
  if (typeof service !== 'string' || service === '') {
    throw new WalError('WAL_CONFIG', `expected service to be a name, got ${typeof service}`);
  }
  const recordOf = (event: AuditEvent): AuditRecord => {
    const { actor, action, resource, outcome, ctx, data } = event;
    const more = { ...(ctx !== undefined && { ctx }), ...(data !== undefined && { data }) };
    return checkAuditRecord({ ts: clock.now(), service, actor, action, resource, outcome, ...more });
  };
  return {
    record: async (event) => {
      checkMembers(event, EVENT_MEMBERS);
      if (event.outcome === BEGUN) throw invalid(`the outcome '${BEGUN}' is for operations`);
      refuseOperation(event.ctx);
      return await wal.append('audit', recordOf(event));
    },
    begin: async (subject) => {
      checkMembers(subject, SUBJECT_MEMBERS);
      refuseOperation(subject.ctx);
      const id = randomUUID();
      const record = recordOf({ ...subject, outcome: BEGUN });
      const begun = await wal.append('audit', inOperation(record, id, 'begin'));
      const append = async (end: AuditEnd): Promise<AppendReceipt> => {
        const ctx = { ...subject.ctx, ...end.ctx };
        return await wal.append('audit', inOperation(recordOf({ ...subject, ...end, ctx }), id, 'end'));
      };
      return new Operation(id, begun, append);
    },
  };
}

type OperationState = { at: 'begun' } | { at: 'ending' } | { at: 'ended' } | { at: 'unknown' };

class Operation implements AuditOperation {
  readonly id: string;
  readonly begun: AppendReceipt;
  readonly #append: (end: AuditEnd) => Promise<AppendReceipt>;
  #state: OperationState = { at: 'begun' };

  constructor(id: string, begun: AppendReceipt, append: (end: AuditEnd) => Promise<AppendReceipt>) {
    this.id = id;
    this.begun = begun;
    this.#append = append;
  }

  async end(end: AuditEnd): Promise<AppendReceipt> {
    if (this.#state.at !== 'begun') {
      throw new WalError('WAL_CONFIG', `the operation ${this.id} can't end: ${whyNot(this.#state)}`);
    }
    checkMembers(end, END_MEMBERS);
    if (end.outcome === BEGUN) throw invalid(`an operation can't end with the outcome '${BEGUN}'`);
    refuseOperation(end.ctx);
    this.#state = { at: 'ending' };
    try {
      const receipt = await this.#append(end);
      this.#state = { at: 'ended' };
      return receipt;
    } catch (error) {
      // Exactly once: what may be in the log already is not tried again.
      this.#state = mayBeThere(error) ? { at: 'unknown' } : { at: 'begun' };
      throw error;
    }
  }
}

function whyNot(state: Exclude<OperationState, { at: 'begun' }>): string {
  switch (state.at) {
    case 'ending':
      return 'it is about to';
    case 'ended':
      return 'it has already';
    case 'unknown':
      return 'its end event may be in the log already, after WAL_IO';
    default:
      return state satisfies never;
  }
}

function mayBeThere(error: unknown): boolean {
  return !(error instanceof WalError) || error.code === 'WAL_IO';
}

function inOperation(record: AuditRecord, id: string, phase: 'begin' | 'end'): AuditRecord {
  return { ...record, ctx: { ...record.ctx, operation: { id, phase } } };
}

/** For callers without types: overwriting it would lose what they said, and keeping it would link what isn't linked. */
function refuseOperation(ctx: object | undefined): void {
  if (ctx && 'operation' in ctx) throw invalid('ctx.operation is set by begin and end');
}

function invalid(message: string): WalError {
  return new WalError('WAL_RECORD_INVALID', message);
}
