// A process of the benchmark, as its parent sees it: started, asked one thing at a time, and gone at the end.

import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';

/** Beyond this a process hangs, unless its work is known to take longer. */
const ANSWER_MS_MAX = 300_000;

export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #answerMsMax: number;

  constructor(module: string, args: readonly string[] = [], answerMsMax = ANSWER_MS_MAX) {
    this.#answerMsMax = answerMsMax;
    this.#name = [module, ...args].join(' ');
    // No loader of the parent's: these are compiled.
    this.#process = fork(module, args, { execArgv: [] });
  }

  /** Sends a message and resolves with the next one that comes back. */
  async ask(message: object): Promise<unknown> {
    const answer = this.next();
    if (this.#process.connected) this.#process.send(message);
    return await answer;
  }

  /** The next message of the process; rejects where it has ended, ends or stays silent. */
  next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#process.connected) throw new Error(`${this.#name} has ended`);
      const timer = setTimeout(() => {
        this.#process.kill('SIGKILL');
        settle(() => reject(new Error(`${this.#name} gave no answer within ${this.#answerMsMax} ms`)));
      }, this.#answerMsMax);
      const onMessage = (message: unknown) => settle(() => resolve(message));
      const onExit = () => settle(() => reject(new Error(`${this.#name} ended before it had answered`)));
      const settle = (how: () => void) => {
        clearTimeout(timer);
        this.#process.off('message', onMessage).off('exit', onExit);
        how();
      };
      this.#process.once('message', onMessage).once('exit', onExit);
    });
  }

  /** Resolves when the process is gone. */
  async stop(): Promise<void> {
    const { exitCode, signalCode, connected } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    if (connected) this.#process.disconnect();
    await gone;
  }
}
