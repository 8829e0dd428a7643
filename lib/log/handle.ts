// The database handle that the log works with, and its replacement. LevelDB's handle is worthless for writing
// after a rejected write; a new one can only be had once the old one is closed, and nothing may read then.

import { WalError } from '../errors.js';
import type { KeyRange } from './keyspace.js';
import type { Changes, ScanOptions, Store, StoreSnapshot } from './store.js';

type State =
  | { at: 'open'; store: Store }
  /** No store: reads wait for the next one. */
  | { at: 'between'; next: PromiseWithResolvers<Store> }
  | { at: 'closed' };

/** A store whose handle can be replaced under its readers: they wait, and go on with the new one. */
export class Handle implements Store {
  #state: State;
  #reads = 0;
  #quiet: (() => void) | undefined;

  constructor(store: Store) {
    this.#state = { at: 'open', store };
  }

  /**
   * Closes the handle once nothing reads from it, and opens another. Where that fails, reads go on waiting,
   * and it may be called again. Never called concurrently.
   */
  async replace(open: () => Promise<Store>): Promise<void> {
    const state = this.#state;
    if (state.at === 'closed') throw closedError();
    const next = state.at === 'between' ? state.next : promiseWithResolvers<Store>();
    // Nobody may be waiting; a rejection at close is then nobody's business.
    next.promise.catch(() => {});
    this.#state = { at: 'between', next };
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
    next.resolve(store);
  }

  async commit(changes: Changes): Promise<void> {
    if (this.#state.at !== 'open') throw closedError();
    await this.#state.store.commit(changes);
  }

  get(key: string, snapshot?: StoreSnapshot): Promise<Buffer | undefined> {
    return this.#read((store) => store.get(key, snapshot));
  }

  scan(range: KeyRange, options: ScanOptions): Promise<[key: string, value: Buffer][]> {
    return this.#read((store) => store.scan(range, options));
  }

  scanKeys(range: KeyRange, limit: number): Promise<string[]> {
    return this.#read((store) => store.scanKeys(range, limit));
  }

  compact(range: KeyRange): Promise<void> {
    return this.#read((store) => store.compact(range));
  }

  /** Does not outlive a replacement: reading from it then fails. */
  snapshot(): StoreSnapshot {
    if (this.#state.at !== 'open') throw closedError();
    return this.#state.store.snapshot();
  }

  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { at: 'closed' };
    if (state.at === 'between') state.next.reject(closedError());
    if (state.at === 'open') await state.store.close();
  }

  async #read<T>(read: (store: Store) => Promise<T>): Promise<T> {
    while (this.#state.at === 'between') await this.#state.next.promise;
    if (this.#state.at === 'closed') throw closedError();
    const { store } = this.#state;
    this.#reads++;
    try {
      return await read(store);
    } finally {
      if (--this.#reads === 0) this.#quiet?.();
    }
  }

  #isClosed(): boolean {
    return this.#state.at === 'closed';
  }
}

function closedError(): WalError {
  return new WalError('WAL_CLOSED', 'the log is closed');
}

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/** Promise.withResolvers, which Node 20 does not have. */
function promiseWithResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
