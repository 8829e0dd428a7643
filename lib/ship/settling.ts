// What becomes of one batch at the destination: delivered, searched for what is refused in it, or sent again
// otherwise. Carries out what suspicion.ts decides; knows no cursor and acknowledges nothing.

import type { Clock } from '../clock.js';
import type { LogIdentity } from '../log/open.js';
import type { Quarantined } from '../log/operations.js';
import type { LoadedBatch } from './batch.js';
import { refusalNotices } from './batch.js';
import type { Delivery } from './delivery.js';
import { PROBE_LINES_MAX } from './delivery.js';
import type { Loader } from './loader.js';
import { putAside, putAsideAlone } from './receipt.js';
import type { Batch, Sink, SinkError } from './sink.js';
import type { Asked, Suspicion } from './suspicion.js';
import {
  PROBES_MAX,
  clear,
  linesMax,
  suspect,
  suspectSize,
  verdictOn,
  waitAfterRound,
  withEvidence,
} from './suspicion.js';

export interface SettlingContext {
  readonly identity: LogIdentity;
  readonly kind: string;
  readonly sink: Sink;
  readonly loader: Loader;
  readonly clock: Clock;
  readonly random: () => number;
  /** Ends waits. */
  readonly signal: AbortSignal;
  readonly deliver: (batch: Batch) => Promise<Delivery>;
  /** Holds a record that is sent out of turn; false where it was evicted since it was read. */
  readonly claim: (loaded: LoadedBatch) => boolean;
  /** Everything is refused; the next round begins after `waitMs`. */
  readonly onRefused: (error: SinkError, waitMs: number) => void;
}

export type Settlement =
  /** The destination has every record but the ones to put aside, of which it was told. */
  | { is: 'settled'; quarantined: readonly Quarantined[] }
  /** Nothing is settled: read again from the cursor on, and, where it says so, fewer lines at once. */
  | { is: 'again'; linesMax?: number }
  | { is: 'stopped' };

const AGAIN: Settlement = { is: 'again' };

function askedOf({ batch: { count }, records, from, to }: LoadedBatch): Asked {
  return { count, records, from, to };
}

export class Settling {
  readonly #context: SettlingContext;
  #suspicion: Suspicion | undefined;
  /** The smallest batch that was taken since something is suspected. */
  #taken: Batch | undefined;
  /** Rounds in a row in which everything was refused. */
  #rounds = 0;

  constructor(context: SettlingContext) {
    this.#context = context;
  }

  /** Begins again from the cursor, wherever that is: what was suspected may lie in front of it. */
  reset(): void {
    this.#suspect(undefined);
  }

  /** Something is refused; how much the next batch may have depends on what becomes of this one. */
  get isSearching(): boolean {
    return this.#suspicion !== undefined && this.#suspicion.lines > 0;
  }

  /** Sends a batch that begins behind the cursor. */
  async settle(loaded: LoadedBatch): Promise<Settlement> {
    if (loaded.batch.count === 0) return { is: 'settled', quarantined: [] };
    const delivery = await this.#context.deliver(loaded.batch);
    switch (delivery.is) {
      case 'settled':
        return await this.#settled(loaded, putAside(delivery.refused));
      case 'refused':
        return await this.#refused(loaded, delivery.error);
      case 'too-large':
        this.#suspect(suspectSize(this.#suspicion, askedOf(loaded)));
        return { is: 'again', linesMax: Math.floor(loaded.batch.count / 2) };
      case 'held-back':
        return { is: 'again', linesMax: PROBE_LINES_MAX };
      case 'stopped':
        return { is: 'stopped' };
      default:
        return delivery satisfies never;
    }
  }

  /** Tells the destination what it will not get; only then is the batch settled. */
  async #settled(loaded: LoadedBatch, quarantined: readonly Quarantined[]): Promise<Settlement> {
    const { identity, kind, sink, deliver } = this.#context;
    if (quarantined.length > 0 && sink.notices !== false) {
      const seqs = quarantined.map(({ seq }) => seq);
      const notices = refusalNotices(identity, kind, seqs, loaded.appendedAt);
      const told = await deliver(notices);
      if (told.is === 'stopped') return { is: 'stopped' };
      // Nothing is acknowledged yet: the batch comes again, whole or in parts, and with it the notices.
      if (told.is === 'too-large') return { is: 'again', linesMax: Math.floor(notices.count / 2) };
      if (told.is === 'held-back') return { is: 'again', linesMax: PROBE_LINES_MAX };
      if (told.is === 'refused') return await this.#waitForSomeone(told.error);
    }
    this.#rounds = 0;
    if (this.#suspicion && loaded.records > quarantined.length) this.#keepTaken(loaded.batch);
    this.#suspect(clear(this.#suspicion, askedOf(loaded), quarantined.length));
    return { is: 'settled', quarantined };
  }

  async #refused(loaded: LoadedBatch, error: SinkError): Promise<Settlement> {
    const { batch } = loaded;
    const suspicion = suspect(this.#suspicion, askedOf(loaded));
    this.#suspect(suspicion);
    const verdict = verdictOn(suspicion, askedOf(loaded));
    switch (verdict) {
      case 'split':
        return AGAIN;
      case 'probe':
        return await this.#probe(loaded, suspicion, error);
      case 'recheck':
        return await this.#recheck(suspicion, error);
      case 'quarantine':
        return await this.#settled(loaded, [await putAsideAlone(batch, error)]);
      case 'wait':
        return await this.#waitForSomeone(error);
      default:
        return verdict satisfies never;
    }
  }

  /** Sends later records, one by one, until one is taken. */
  async #probe(loaded: LoadedBatch, suspicion: Suspicion, error: SinkError): Promise<Settlement> {
    const { loader, deliver, claim } = this.#context;
    let after = loaded.to;
    for (let n = 0; n < PROBES_MAX; n++) {
      const probe = await loader.single(after);
      if (!probe || !claim(probe)) break;
      const { is } = await deliver(probe.batch);
      if (is === 'stopped') return { is };
      if (is === 'settled') {
        this.#keepTaken(probe.batch);
        this.#suspect(withEvidence(suspicion));
        return AGAIN;
      }
      after = probe.to;
    }
    return await this.#waitForSomeone(error);
  }

  /** Sends what was taken once more: whoever refuses that, too, refuses everything. */
  async #recheck(suspicion: Suspicion, error: SinkError): Promise<Settlement> {
    const taken = this.#taken;
    const delivery = taken && (await this.#context.deliver(taken));
    if (delivery?.is === 'stopped') return { is: 'stopped' };
    if (delivery?.is === 'refused') return await this.#waitForSomeone(error);
    // Where the destination takes less than that now, what is left is to look for other evidence.
    this.#suspect(delivery?.is === 'settled' ? withEvidence(suspicion) : { ...suspicion, taken: false });
    return AGAIN;
  }

  #keepTaken(batch: Batch): void {
    if (!this.#taken || batch.count <= this.#taken.count) this.#taken = batch;
  }

  /** A configuration failure: nothing changes before somebody does something about it. */
  async #waitForSomeone(error: SinkError): Promise<Settlement> {
    const { clock, random, signal, onRefused } = this.#context;
    const waitMs = waitAfterRound(error, ++this.#rounds, random());
    onRefused(error, waitMs);
    await clock.sleep(waitMs, signal);
    return signal.aborted ? { is: 'stopped' } : AGAIN;
  }

  #suspect(suspicion: Suspicion | undefined): void {
    this.#suspicion = suspicion;
    if (!suspicion?.taken) this.#taken = undefined;
    this.#context.loader.search(linesMax(suspicion));
  }
}
