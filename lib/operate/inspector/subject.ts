// The log that is inspected, wherever it is at the moment: asked of the process that holds it, or, where nobody did
// when the inspector was started, opened for as long as a question takes. It is never kept open: a service that starts
// must find its log free.

import type { WalErrorCode } from '../../errors.js';
import { WalError, messageOf } from '../../errors.js';
import type { WalLook } from '../look.js';
import { RemoteLog } from '../remote.js';

/** How the log does, or why that can't be said. */
export type Report =
  /** `live`: a process holds it. `offline`: none does, and nothing changes. */
  | { is: 'live' | 'offline'; look: WalLook }
  /** Nobody holds it any more, or whoever does can't be asked. */
  | { is: 'gone'; code: WalErrorCode; message: string };

export interface SubjectOptions {
  readonly dir: string;
  /** Opens the log, where that may be done: it serves its control socket then. */
  readonly open?: (() => Promise<AsyncDisposable>) | undefined;
}

export class Subject {
  readonly #dir: string;
  readonly #open: SubjectOptions['open'];
  /** What was seen while nobody else held it: it stays so until somebody acts. */
  #offline: WalLook | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ dir, open }: SubjectOptions) {
    this.#dir = dir;
    this.#open = open;
  }

  async report(): Promise<Report> {
    try {
      return await this.#inTurn(async () => {
        const remote = await RemoteLog.find(this.#dir);
        if (remote) {
          this.#offline = undefined;
          return { is: 'live', look: await remote.look() };
        }
        this.#offline ??= await this.#opened((log) => log.look());
        return { is: 'offline', look: this.#offline };
      });
    } catch (error) {
      const code = error instanceof WalError ? error.code : 'WAL_IO';
      return { is: 'gone', code, message: messageOf(error) };
    }
  }

  /** Asks something of the log. `changes`: what was seen of it before holds no more. */
  async ask<T>(question: (log: RemoteLog) => Promise<T>, changes = false): Promise<T> {
    return await this.#inTurn(async () => {
      if (changes) this.#offline = undefined;
      const remote = await RemoteLog.find(this.#dir);
      return await (remote ? question(remote) : this.#opened(question));
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  async #opened<T>(question: (log: RemoteLog) => Promise<T>): Promise<T> {
    if (!this.#open) throw new WalError('WAL_IO', 'no process holds the log');
    await using _ = await this.#open();
    return await question(new RemoteLog(this.#dir));
  }

  /** One after the other where the log may be opened here: two at once would lock each other out. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#open) return await work();
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return await result;
  }
}
