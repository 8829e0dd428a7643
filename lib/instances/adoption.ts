// One adopted log: the log of a dead instance, held under its lock and delivered by this process's sinks, until
// it is drained or its owner wants it back. Nothing is ever appended to it: its records go out under its own log
// id, its ids, its service and instance.

import type { WalConfig } from '../config.js';
import { WalError } from '../errors.js';
import type { ReleaseReason, WalEvent } from '../events.js';
import { droppedEvents } from '../log/evict.js';
import { backlogOf } from '../log/ledger.js';
import { Log } from '../log/log.js';
import { Retainer } from '../log/retain.js';
import { Control } from '../operate/control.js';
import type { Breaker } from '../ship/breaker.js';
import type { Assignment } from '../ship/shippers.js';
import { Shippers } from '../ship/shippers.js';
import { statsOf } from '../stats.js';
import { isEmpty, removeLog } from './removal.js';

export interface AdoptionContext {
  readonly dir: string;
  readonly service: string;
  readonly instance: string;
  readonly policy: Pick<WalConfig, 'streams' | 'maxBytes' | 'clock'>;
  /** What the adopter ships, by kind and name, and how its destinations are. */
  readonly assignments: ReadonlyMap<string, Assignment>;
  readonly breakers: Map<string, Breaker>;
  readonly onEvent: (event: WalEvent) => void;
}

type State = { at: 'draining' } | { at: 'ending'; ended: Promise<void> };

export class Adoption {
  readonly #context: AdoptionContext;
  readonly #log: Log;
  readonly #shippers: Shippers;
  readonly #retainer: Retainer;
  readonly #unsubscribe: () => void;
  readonly #onEnded: (why: ReleaseReason) => void;
  #control: Control | undefined;
  #state: State = { at: 'draining' };

  private constructor(log: Log, context: AdoptionContext, onEnded: (why: ReleaseReason) => void) {
    const { policy, breakers, onEvent, instance } = context;
    const { streams, maxBytes, clock } = policy;
    this.#context = context;
    this.#log = log;
    this.#onEnded = onEnded;
    const tell = (event: WalEvent) => onEvent({ ...event, instance });
    this.#shippers = new Shippers(log, clock, tell, breakers);
    // One that was stopped may be wanted again meanwhile.
    this.#shippers.onChange = () => this.sync();
    for (const [kind, { keepDeliveredBytes }] of streams) log.trimmer.keepDelivered(kind, keepDeliveredBytes);
    this.#retainer = new Retainer(log, {
      maxBytes,
      streams,
      onEvicted: (eviction) => droppedEvents(eviction).forEach(tell),
    });
    this.#unsubscribe = log.onCommit(() => {
      this.#retainer.wake();
      this.#look();
    });
  }

  /**
   * Takes a log over and begins to deliver it. `onEnded` is called once, when it is not held any more.
   *
   * @throws {WalError} `WAL_LOCKED`: somebody lives who holds it. Anything else: it can't be adopted.
   */
  static async begin(context: AdoptionContext, onEnded: (why: ReleaseReason) => void): Promise<Adoption> {
    const { dir, instance, policy, onEvent } = context;
    const log = await Log.open({
      dir,
      clock: policy.clock,
      // What its owner has reserved stays as it is. To repair, and to migrate, is its owner's to do as well.
      reserveBytes: 0,
      maxBytes: policy.maxBytes,
      repairs: false,
      onEvent: (event) => onEvent({ ...event, instance }),
    });
    const adoption = new Adoption(log, context, onEnded);
    try {
      checkIdentity(log, context);
      await adoption.#listen();
    } catch (error) {
      adoption.#unsubscribe();
      await adoption.#retainer.close();
      await log.close();
      throw error;
    }
    onEvent({ type: 'adopted', instance, dir, backlogRecords: backlogRecords(log) });
    adoption.#retainer.wake();
    adoption.sync();
    return adoption;
  }

  /** Ships what the adopter ships now: to be called when that has changed. */
  sync(): void {
    if (this.#state.at !== 'draining') return;
    const { assignments } = this.#context;
    for (const { kind, cursors } of this.#log.streams.values()) {
      for (const name of cursors.keys()) {
        const assignment = assignments.get(`${kind}/${name}`);
        const running = this.#shippers.get(kind, name);
        if (assignment && !running) {
          // Nothing is appended any more: what would a batch wait for?
          this.#shippers.start(kind, [name], assignment.sink, { ...assignment.options, lingerMs: 0 });
        } else if (!assignment && running) void running.stop();
      }
    }
    this.#look();
  }

  /** Gives the log back; resolves when it is not held any more. What has not been delivered stays for its owner. */
  async release(why: 'asked' | 'closing'): Promise<void> {
    await this.#end(why);
  }

  async #listen(): Promise<void> {
    const { dir } = this.#context;
    this.#control = await Control.listen({
      dir,
      routes: {
        'GET /v1/stats': () => statsOf(this.#log, (kind, name) => this.#shippers.get(kind, name)),
        'POST /v1/release': async () => {
          await this.release('asked');
          return { released: true };
        },
      },
    });
    const { elsewhere } = this.#control;
    if (elsewhere !== undefined) await this.#log.announceSocket(elsewhere);
  }

  /** Ends where nothing is left to do here. Cheap; called after each commit. */
  #look(): void {
    if (this.#state.at !== 'draining') return;
    const { assignments } = this.#context;
    const waits = [...this.#log.streams.values()].some(({ kind, lastSeq, cursors }) =>
      [...cursors].some(([name, { seq }]) => seq < lastSeq && assignments.has(`${kind}/${name}`)),
    );
    if (!waits) void this.#end('kept');
  }

  #end(why: Exclude<ReleaseReason, 'removed'>): Promise<void> {
    if (this.#state.at === 'draining') {
      // A turn later: it may be called from within a commit's announcement, before those who wait for it are told.
      const ended = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#giveBack(why));
      this.#state = { at: 'ending', ended };
    }
    return this.#state.ended;
  }

  async #giveBack(why: Exclude<ReleaseReason, 'removed'>): Promise<void> {
    const { instance, dir, onEvent } = this.#context;
    const log = this.#log;
    let how: ReleaseReason = why;
    try {
      await this.#shippers.stop();
      await this.#retainer.close();
      await log.trimmer.idle();
      // Not where its owner is waiting for it: it would only have to begin a new one.
      const goes = why === 'kept' && (await isEmpty(log));
      this.#unsubscribe();
      await this.#control?.close();
      if (goes) {
        await removeLog(log);
        how = 'removed';
      }
    } catch {
      // What can't be looked at or removed stays.
    }
    await log.close().catch(() => {});
    onEvent({ type: 'released', instance, dir, why: how });
    this.#onEnded(how);
  }
}

/** A folder that was copied holds a log that is somebody else's, and whoever made the copy wants to keep it. */
function checkIdentity(log: Log, { dir, service, instance }: AdoptionContext): void {
  const found = log.identity;
  if (found.service === service && found.instance === instance) return;
  throw new WalError(
    'WAL_CONFIG',
    `${dir} holds the log of ${found.service}/${found.instance}: it looks like a copy; keep copies elsewhere`,
  );
}

/** What the slowest cursor of each stream has before it. */
function backlogRecords(log: Log): number {
  let records = 0;
  for (const { cursors, lastSeq } of log.streams.values()) {
    records += Math.max(0, ...[...cursors.values()].map((cursor) => backlogOf(cursor, lastSeq)));
  }
  return records;
}
