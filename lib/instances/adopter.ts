// Finds logs that dead instances of this service have left, and adopts them. When: after they were left alone for
// five minutes, looked at every half a minute. How one is drained is adoption.ts's.

import { rm } from 'node:fs/promises';
import type { WalConfig } from '../config.js';
import { WalError, messageOf } from '../errors.js';
import type { ReleaseReason, WalEvent } from '../events.js';
import { databaseFolder } from '../log/folder.js';
import { isTakenHere } from '../log/here.js';
import type { Log } from '../log/log.js';
import { isServed } from '../operate/ask.js';
import type { Shippers } from '../ship/shippers.js';
import { Adoption } from './adoption.js';
import type { Sibling } from './siblings.js';
import { findSiblings, signOfChange, signOfLife } from './siblings.js';
import { Watch } from './watch.js';

/** How long nobody may have touched a log, and nobody answered for it, before it is adopted, in ms. */
export const LEFT_ALONE_MS = 300_000;
/** How often siblings are looked at, in ms. */
export const LOOK_MS = 30_000;
/** Logs adopted at once: each has LevelDB's buffers in memory. The others wait their turn. */
const ADOPTIONS_MAX = 4;

export interface AdopterContext {
  readonly log: Log;
  readonly shippers: Shippers;
  readonly policy: Pick<WalConfig, 'streams' | 'maxBytes' | 'clock'>;
  readonly onEvent: (event: WalEvent) => void;
}

export class Adopter {
  readonly #context: AdopterContext;
  readonly #abort = new AbortController();
  readonly #watch = new Watch();
  readonly #adoptions = new Map<string, Adoption>();
  /** By instance: what a log was like when nothing more could be done for it from here. */
  readonly #settled = new Map<string, string>();
  readonly #running: Promise<void>;

  constructor(context: AdopterContext) {
    this.#context = context;
    context.shippers.onChange = () => this.#sync();
    this.#running = this.#run();
  }

  /** Looks no more, and gives back what is adopted. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#context.shippers.onChange = () => {};
    await this.#running;
    await Promise.all([...this.#adoptions.values()].map((adoption) => adoption.release('closing')));
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    for (;;) {
      await this.#context.policy.clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#look();
      } catch {
        // A folder that can't be listed now: the next look may find it better.
      }
    }
  }

  async #look(): Promise<void> {
    const { log, shippers } = this.#context;
    const { logs, remains } = await findSiblings(log.dir);
    // What can't be cleared away now is tried again; it is nobody's log.
    for (const path of remains) await rm(path, { recursive: true, force: true }).catch(() => {});
    // Whoever ships nothing has nothing to give to a log that waits to be shipped.
    if (shippers.assignments.size === 0) return;
    const instances = new Set(logs.map(({ instance }) => instance));
    this.#watch.keepOnly(instances);
    for (const instance of this.#settled.keys()) if (!instances.has(instance)) this.#settled.delete(instance);
    for (const sibling of logs) {
      if (this.#abort.signal.aborted) return;
      if (!this.#adoptions.has(sibling.instance)) await this.#consider(sibling);
    }
  }

  async #consider(sibling: Sibling): Promise<void> {
    const { instance, dir, isOurs } = sibling;
    if (!isOurs) return await this.#fail(sibling, `${dir} belongs to another user`);
    const { clock } = this.#context.policy;
    const aloneMs = this.#watch.aloneMs(instance, await signOfLife(dir), clock.monotonic());
    if ((await isTakenHere(databaseFolder(dir))) || (await isServed(dir))) return this.#watch.reset(instance);
    if (aloneMs < LEFT_ALONE_MS || this.#adoptions.size >= ADOPTIONS_MAX) return;
    if (this.#settled.get(instance) === (await this.#stateOf(dir))) return;
    await this.#adopt(sibling);
  }

  async #adopt(sibling: Sibling): Promise<void> {
    const { instance, dir } = sibling;
    const { log, shippers, policy, onEvent } = this.#context;
    const { service } = log.identity;
    const { assignments, breakers } = shippers;
    try {
      const adoption = await Adoption.begin(
        { dir, service, instance, policy, assignments, breakers, onEvent },
        (why) => void this.#ended(sibling, why),
      );
      this.#adoptions.set(instance, adoption);
    } catch (error) {
      this.#watch.reset(instance);
      if (error instanceof WalError && error.code === 'WAL_LOCKED') return;
      await this.#fail(sibling, messageOf(error));
    }
  }

  async #ended({ instance, dir }: Sibling, why: ReleaseReason): Promise<void> {
    this.#watch.reset(instance);
    if (why === 'kept') this.#settled.set(instance, await this.#stateOf(dir));
    this.#adoptions.delete(instance);
  }

  /** Tells once of a log that must be left as it is, until it changes. */
  async #fail({ instance, dir }: Sibling, message: string): Promise<void> {
    const state = await this.#stateOf(dir);
    if (this.#settled.get(instance) === state) return;
    this.#settled.set(instance, state);
    this.#context.onEvent({ type: 'adoption-failed', instance, dir, message });
  }

  /** What is in a log, and what could be delivered of it from here. */
  async #stateOf(dir: string): Promise<string> {
    const ships = [...this.#context.shippers.assignments.keys()].toSorted().join(' ');
    return `${await signOfChange(dir).catch(() => '-')} ${ships}`;
  }

  #sync(): void {
    for (const adoption of this.#adoptions.values()) adoption.sync();
  }
}
