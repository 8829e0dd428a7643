// The producing process as its parent sees it: what it was told so far, and waiting for it to get somewhere.

import type { ImportProblem, WalStats } from '../../index.js';
import { Failure } from '../errors.js';
import type { Child, Children } from './children.js';
import type { FromProducer, Job, ToProducer } from './protocol.js';

/** What the producers of one run have told, one after the other. */
export interface Told {
  /** By id: the key of each record that `append` has acknowledged. */
  readonly acknowledged: Map<string, string>;
  /** By file and line: a producer that is killed may be followed by one that meets the same line again. */
  readonly problems: Map<string, ImportProblem>;
  /** Where the log last stood. */
  stats: WalStats | undefined;
}

/** How long nothing may be appended or delivered, in ms: well above what a shipper waits between two tries. */
const STALLED_MS = 120_000;

export class ProducerProcess {
  readonly #child: Child;
  readonly #told: Told;
  readonly #trouble: AbortSignal;
  readonly #stalled: NodeJS.Timeout;
  #waiting: { condition: () => boolean; resolve: () => void; reject: (reason: Error) => void } | undefined;
  #failure: Error | undefined;
  #expectedToGo = false;
  #moved = '';
  held = 0;
  failing = false;
  recovered = false;
  /** Where the log stood when everything was delivered. */
  final: WalStats | undefined;

  /** @param trouble Fires with the reason where something else went wrong, or where the user gave up. */
  constructor(children: Children, env: NodeJS.ProcessEnv, job: Job, told: Told, trouble: AbortSignal) {
    this.#told = told;
    this.#trouble = trouble;
    this.#child = children.start(['demo-producer'], env);
    this.#child.process.on('message', (message) => this.#hear(message as FromProducer));
    void this.#child.gone.then(() => this.#gone());
    this.#stalled = setTimeout(() => this.#fail(new Failure(this.#stallMessage())), STALLED_MS);
    trouble.addEventListener('abort', this.#onTrouble, { once: true });
    if (trouble.aborted) this.#onTrouble();
    this.#send(job);
  }

  /** Resolves when the condition holds, looked at after each message. One call at a time. */
  async until(condition: () => boolean): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { condition, resolve, reject };
    });
  }

  async untilHeld(times: number): Promise<void> {
    await this.until(() => this.held >= times);
  }

  go(): void {
    this.#send({ is: 'go' });
  }

  /** Kills it as a power cut would, and reads what it had told until then. */
  async kill(): Promise<void> {
    this.#expectedToGo = true;
    this.#child.process.kill('SIGKILL');
    await this.#child.gone;
  }

  /** Resolves when it has appended and delivered everything, and is gone. */
  async finish(): Promise<WalStats> {
    await this.until(() => this.final !== undefined);
    await this.#child.gone;
    return this.final!;
  }

  #hear(message: FromProducer): void {
    switch (message.is) {
      case 'acknowledged':
        for (const [id, key] of message.records) this.#told.acknowledged.set(id, key);
        break;
      case 'status':
        this.#told.stats = message.stats;
        this.#watch(message.stats);
        break;
      case 'held':
        this.held++;
        break;
      case 'event':
        if (message.event.type === 'ship-failing') this.failing = true;
        if (message.event.type === 'ship-recovered') this.recovered = true;
        break;
      case 'problem':
        this.#told.problems.set(`${message.problem.file}:${message.problem.line ?? ''}`, message.problem);
        break;
      case 'done':
        this.#told.stats = message.stats;
        this.final = message.stats;
        this.#expectedToGo = true;
        break;
      case 'failed':
        this.#fail(new Failure(`the producer failed: ${message.message}`));
        break;
      default:
        message satisfies never;
    }
    if (!this.#waiting?.condition()) return;
    this.#waiting.resolve();
    this.#waiting = undefined;
  }

  #watch(stats: WalStats): void {
    const moved = Object.values(stats.streams)
      .map(({ lastSeq, shippers }) => `${lastSeq}/${shippers['default']?.seq}`)
      .join();
    if (moved === this.#moved) return;
    this.#moved = moved;
    this.#stalled.refresh();
  }

  #stallMessage(): string {
    const streams = Object.values(this.#told.stats?.streams ?? {});
    const why = streams.map(({ shippers }) => shippers['default']?.lastError).find(Boolean);
    return `nothing has moved for ${STALLED_MS / 1000} s${why === undefined ? '' : `: ${why}`}`;
  }

  readonly #onTrouble = () => this.#fail(this.#trouble.reason as Error);

  #gone(): void {
    clearTimeout(this.#stalled);
    this.#trouble.removeEventListener('abort', this.#onTrouble);
    if (!this.#expectedToGo) this.#fail(new Failure(`the producer ended: ${this.#child.why()}`));
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  #send(message: ToProducer): void {
    // It may be gone already; then `#gone` says so.
    this.#child.process.send(message, () => {});
  }
}
