// The database handle that the log works with, and its replacement. LevelDB's handle is worthless for writing
// after a rejected write; a new one can only be had once the old one is closed, and nothing may read then.

import { WalError, messageOf } from '../errors.js';
import type { KeyRange } from './keyspace.js';
import type { Changes, ScanOptions, Store, StoreSnapshot } from './store.js';
import { isDamage } from './store.js';

type State =
  | { at: 'open'; store: Store }
  /** No store: reads wait until the one that is being opened is there, or is known not to be. */
  | { at: 'between'; opened: Promise<void> }
  /** It could not be opened. Reads are rejected: whoever reads can wait better, and must be able to end. */
  | { at: 'gone'; error: WalError }
  | { at: 'closed' };

/** A repair may not find what was damaged while it ran; after that, it is not worth another. */
const READ_TRIES_MAX = 3;

/** A store whose handle can be replaced under its readers: they wait, and go on with the new one. */
export class Handle implements Store {
  #state: State;
  #reads = 0;
  #quiet: (() => void) | undefined;
  /** Set while a compaction is alone: commits wait for it. */
  #alone: Promise<void> | undefined;
  /** The last commit; never rejects. */
  #committing: Promise<void> | undefined;
  /** Set where a read has met damage: nothing is written any more, so that whoever writes settles it; reads wait until that is over. */
  #damage: { readonly error: WalError; readonly over: Promise<void>; readonly end: () => void } | undefined;
  readonly #onDamage: ((error: WalError) => void) | undefined;

  /**
   * `onDamage`: called once where LevelDB itself can't read what it holds. From then on commits are rejected, and
   * reads that meet the damage wait, until the handle is replaced or given up. Without it, such reads simply fail.
   */
  constructor(store: Store, onDamage?: (error: WalError) => void) {
    this.#state = { at: 'open', store };
    this.#onDamage = onDamage;
  }

  /**
   * Closes the handle once nothing reads from it, and opens another. Where that fails, reads are rejected until
   * it is called again and succeeds. Never called concurrently.
   */
  async replace(open: () => Promise<Store>): Promise<void> {
    const state = this.#state;
    if (state.at === 'closed') throw closedError();
    const opened = promiseWithResolvers();
    this.#state = { at: 'between', opened: opened.promise };
    try {
      if (state.at === 'open') {
        if (this.#reads > 0) await new Promise<void>((resolve) => (this.#quiet = resolve));
        await state.store.close();
      }
      const store = await open();
      // Closed while it was being opened: what `close` found was no store.
      if (this.#isClosed()) {
        await store.close();
        throw closedError();
      }
      this.#state = { at: 'open', store };
    } catch (error) {
      if (!this.#isClosed()) this.#state = { at: 'gone', error: goneError(error) };
      throw error;
    } finally {
      this.giveUp();
      opened.resolve();
    }
  }

  /** It will not be replaced for the damage that was met: reads that wait for it fail. */
  giveUp(): void {
    this.#damage?.end();
    this.#damage = undefined;
  }

  async commit(changes: Changes): Promise<void> {
    while (this.#alone) await this.#alone;
    if (this.#state.at !== 'open') throw this.#state.at === 'gone' ? this.#state.error : closedError();
    if (this.#damage) throw this.#damage.error;
    const committed = this.#state.store.commit(changes);
    this.#committing = committed.catch(() => {});
    await committed;
  }

  get(key: string, snapshot?: StoreSnapshot): Promise<Buffer | undefined> {
    return this.#read((store) => store.get(key, snapshot), snapshot !== undefined);
  }

  scan(range: KeyRange, options: ScanOptions): Promise<[key: string, value: Buffer][]> {
    return this.#read((store) => store.scan(range, options), options.snapshot !== undefined);
  }

  scanKeys(range: KeyRange, limit: number): Promise<string[]> {
    return this.#read((store) => store.scanKeys(range, limit));
  }

  /**
   * `alone`: no commit is written beside it. LevelDB 1.20 ends the process (a segmentation fault) where a commit is
   * refused while it compacts a range, so that where the disk may become full, the two must take turns.
   */
  async compact(range: KeyRange, alone = false): Promise<void> {
    if (!alone) return await this.#read((store) => store.compact(range));
    while (this.#alone) await this.#alone;
    const { promise, resolve } = promiseWithResolvers();
    this.#alone = promise;
    try {
      await this.#committing;
      // Once: what it may have to wait for would wait for the commits that wait for it.
      await this.#read((store) => store.compact(range), true);
    } finally {
      this.#alone = undefined;
      resolve();
    }
  }

  /** Does not outlive a replacement: reading from it then fails. */
  snapshot(): StoreSnapshot {
    if (this.#state.at !== 'open') throw this.#state.at === 'gone' ? this.#state.error : closedError();
    return this.#state.store.snapshot();
  }

  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { at: 'closed' };
    this.giveUp();
    if (state.at === 'open') await state.store.close();
  }

  /** `once`: it is not tried again on another handle. A snapshot is of one that will be gone. */
  async #read<T>(read: (store: Store) => Promise<T>, once = false): Promise<T> {
    for (let tries = 1; ; tries++) {
      while (this.#state.at === 'between') await this.#state.opened;
      if (this.#state.at === 'closed') throw closedError();
      if (this.#state.at === 'gone') throw this.#state.error;
      const { store } = this.#state;
      this.#reads++;
      try {
        return await read(store);
      } catch (error) {
        const over = this.#overAfter(error);
        if (!over || once || tries === READ_TRIES_MAX) throw error;
      } finally {
        if (--this.#reads === 0) this.#quiet?.();
      }
      await this.#damage?.over;
    }
  }

  /** When the damage that an error tells of will be over; `undefined` where it is no damage, or nobody repairs it. */
  #overAfter(error: unknown): Promise<void> | undefined {
    if (!this.#onDamage || !(error instanceof WalError) || !isDamage(error)) return undefined;
    if (!this.#damage) {
      const { promise: over, resolve: end } = promiseWithResolvers();
      this.#damage = { error, over, end };
      this.#onDamage(error);
    }
    return this.#damage.over;
  }

  #isClosed(): boolean {
    return this.#state.at === 'closed';
  }
}

function closedError(): WalError {
  return new WalError('WAL_CLOSED', 'the log is closed');
}

function goneError(cause: unknown): WalError {
  return new WalError('WAL_IO', `the database can't be opened: ${messageOf(cause)}`, { cause });
}

/** Promise.withResolvers, which Node 20 does not have. */
function promiseWithResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((onResolve) => (resolve = onResolve));
  return { promise, resolve };
}
