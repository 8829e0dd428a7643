// What the log does about a disk that refuses: settles the commit (heal.ts), repairs what is damaged, makes room
// where the disk is full, and tells. Meanwhile it says whether appends wait or are refused.

import type { Clock } from '../clock.js';
import { WalError, messageOf } from '../errors.js';
import type { WalEvent } from '../events.js';
import type { Gate, Settled } from './commit.js';
import type { Handle } from './handle.js';
import { holdGuard } from './guard.js';
import type { HealContext } from './heal.js';
import { heal } from './heal.js';
import type { DeadRange } from './leveldb/room.js';
import { loadStreams } from './open.js';
import type { Damage, Repaired } from './recover.js';
import { damageOf, whileClosed } from './recover.js';
import type { Reserve } from './reserve.js';
import { isDiskFull } from './reserve.js';
import type { Changes, Store } from './store.js';

/** What the log has to tell of the disk. */
export type LogEvent = Extract<
  WalEvent,
  { type: 'write-failed' | 'disk-full' | 'recovered' | 'lost' | 'migrated' }
>;

export interface HealerContext {
  readonly dir: string;
  readonly clock: Clock;
  readonly handle: Handle;
  readonly reserve: Reserve;
  readonly openStore: () => Promise<Store>;
  /** Repairs the database while nobody has it open. Absent where that is not this log's to do. */
  readonly repair: ((damage: Damage) => Promise<Repaired>) | undefined;
  /** See `Log.makeRoom`. */
  readonly makeRoom: (bytes: number) => Promise<boolean>;
  /** Keys of which none is wanted any more. */
  readonly dead: () => readonly DeadRange[];
  /** Gives deleted space back, in little room. */
  readonly compact: () => Promise<void>;
  /** Writes what is there already: a compaction that failed does not say so, but then this is refused. */
  readonly touch: () => Promise<void>;
  readonly setGate: (gate: Gate) => void;
  readonly onEvent: (event: LogEvent) => void;
}

/** How often it is tried to complete the reserve, in ms. */
const RESERVE_RETRY_MS = 60_000;
/** How often a full disk is looked at again where nothing can be given up, in ms. */
const ROOM_RETRY_MS = 1000;

export class Healer {
  readonly #context: HealerContext;
  readonly #abort = new AbortController();
  /** Room is being made. */
  #room: Promise<void> | undefined;
  /** The reserve is being written. */
  #reserving: Promise<boolean> | undefined;
  #bringing: Promise<void> | undefined;
  /** The disk was full: making room brings the reserve back. */
  #wasFull = false;
  /** Set while the disk is full: how to give the guard back, without which no file of the database is changed. */
  #giveBack: (() => Promise<void>) | undefined;

  constructor(context: HealerContext) {
    this.#context = context;
  }

  /**
   * At open: brings the reserve back. `full`: the disk was, and the database is only open because the reserve
   * was given up.
   */
  begin(full: boolean): void {
    const { onEvent } = this.#context;
    if (!full) this.#bringing = this.#bringReserve();
    else {
      onEvent({
        type: 'disk-full',
        message: 'the disk was too full to open the database; the reserve was given up',
      });
      this.#wantRoom();
    }
  }

  /** No more waiting for a disk to heal: what can't be written now is rejected. */
  end(): void {
    this.#abort.abort();
    this.#context.setGate({ at: 'open' });
  }

  /** Resolves when nothing of this works any more. */
  async idle(): Promise<void> {
    await this.#room;
    await this.#bringing;
    await this.#giveBackGuard();
  }

  /** Whoever starts on a disk without room for the reserve gets it once there is. */
  async #bringReserve(): Promise<void> {
    const { clock } = this.#context;
    const { signal } = this.#abort;
    for (let atOpen = true; !signal.aborted && !this.#wasFull; atOpen = false) {
      const making = this.#makeReserve(atOpen).catch(() => false);
      this.#reserving = making;
      if (await making) return;
      await clock.sleep(RESERVE_RETRY_MS, signal);
    }
  }

  /** All of it or some. At open, appends wait for the latter: they would take the little room that there is. */
  async #makeReserve(atOpen: boolean): Promise<boolean> {
    const { reserve, setGate } = this.#context;
    const { signal } = this.#abort;
    if (await reserve.make(signal)) return true;
    if (signal.aborted) return false;
    if (atOpen) setGate({ at: 'held' });
    try {
      await reserve.makeSome(signal);
    } finally {
      if (atOpen) setGate({ at: 'open' });
    }
    return false;
  }

  /** After a rejected write. See `WriterContext.settle`. */
  async settle(changes: Changes, error: Error, giveUp: () => void): Promise<Settled> {
    const { setGate, onEvent, repair } = this.#context;
    const { signal } = this.#abort;
    const full = isDiskFull(error);
    this.#wasFull ||= full;
    const damaged = repair !== undefined && damageOf(error) !== undefined;
    onEvent({ type: full ? 'disk-full' : 'write-failed', message: error.message });
    await this.#reserving;
    // Appends wait for what is a matter of milliseconds where there is something to give up.
    if (!signal.aborted) setGate({ at: 'held' });
    const refuse = () => {
      giveUp();
      if (!signal.aborted) setGate({ at: 'refusing', error: () => diskError(full, error) });
    };
    let repaired: Repaired | undefined;
    const { dir, clock, handle, reserve, openStore, dead } = this.#context;
    const repairs = repair && {
      repair: async (damage: Damage) => {
        await this.#giveBackGuard();
        repaired = await repair(damage);
      },
    };
    const exclusive = () => this.#holdGuard();
    const context = { dir, clock, handle, reserve, openStore, dead, exclusive, ...repairs };
    const isThere = await heal(context, changes, error, refuse, signal);
    if (full) this.#wantRoom();
    else if (!damaged) this.#healed('a commit was refused; the database was opened again, nothing is lost');
    return repaired ? { isThere, streams: await this.#told(repaired) } : isThere;
  }

  async #told({ lost, message }: Repaired): Promise<Awaited<ReturnType<typeof loadStreams>>> {
    const { handle, onEvent } = this.#context;
    const streams = await loadStreams(handle);
    this.#healed(message);
    for (const { kind, from, to } of lost) onEvent({ type: 'lost', kind, from, to, reason: 'corrupt' });
    return streams;
  }

  /** Early, and for as long as the disk is full: it needs a little room itself. */
  async #holdGuard(): Promise<Awaited<ReturnType<HealContext['exclusive']>>> {
    const { dir, clock, reserve } = this.#context;
    if (!this.#giveBack) {
      await reserve.releaseLast();
      this.#giveBack = await holdGuard(dir).catch(() => undefined);
    }
    return this.#giveBack && ((change) => whileClosed(dir, clock, change));
  }

  async #giveBackGuard(): Promise<void> {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined;
    await giveBack?.();
  }

  #wantRoom(): void {
    this.#room ??= this.#makeRoom().finally(() => (this.#room = undefined));
  }

  /** Gives records up until the reserve is there again; appends wait, or are refused where nothing can go. */
  async #makeRoom(): Promise<void> {
    const { clock, reserve, makeRoom, compact, touch, setGate } = this.#context;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      let made = false;
      try {
        const missing = 2 * reserve.bytes - (await reserve.room());
        // As much again as is held back: with the reserve alone, the disk would be full again at once.
        made = missing > 0 && (await makeRoom(missing));
        if (made) await compact();
        if (made) await touch();
      } catch {
        // Refused again: the writer settles that, and this goes on behind it.
      }
      const making = reserve.make(signal).catch(() => false);
      this.#reserving = making;
      if (await making) {
        await this.#giveBackGuard();
        // Given up again: another commit was refused meanwhile.
        if (!(await reserve.isThere())) continue;
        return this.#healed('the disk was full; there is room again, and the reserve is restored');
      }
      if (made || signal.aborted) continue;
      const error = new WalError('WAL_IO', 'there is nothing to give up');
      setGate({ at: 'refusing', error: () => diskError(true, error) });
      await clock.sleep(ROOM_RETRY_MS, signal);
    }
  }

  #healed(message: string): void {
    this.#context.setGate({ at: 'open' });
    this.#context.onEvent({ type: 'recovered', message });
  }
}

function diskError(full: boolean, cause: Error): WalError {
  return full
    ? new WalError('WAL_FULL', 'the disk is full; the log takes records again as soon as there is room', {
        cause,
      })
    : new WalError('WAL_IO', `the disk refuses to be written to: ${messageOf(cause)}`, { cause });
}
