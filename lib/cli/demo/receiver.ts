// The demo's receiver as a process of its own, which can be stopped and started again.

import { Failure } from '../errors.js';
import type { Child, Children } from './children.js';

export interface ReceiverOptions {
  children: Children;
  env: NodeJS.ProcessEnv;
  /** The folder of its store. */
  store: string;
  /** The service that sends to it: records that were made elsewhere, files say, under whatever name. */
  sender: string;
  /** Called when it ends without being told to. */
  onGone: (why: Failure) => void;
}

const STOP_MS_MAX = 8000;

export class ReceiverProcess {
  readonly #options: ReceiverOptions;
  #child: Child | undefined;
  #url: URL | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#url?.origin ?? '';
  }

  /** Starts it on a free port the first time, and on that port again every other time. */
  async start(): Promise<void> {
    const { children, env, store, sender, onGone } = this.#options;
    const port = this.#url?.port ?? '0';
    const at = ['--port', port, '--store', store];
    const child = children.start(['serve', '--json', ...at, '--relays', sender], env);
    this.#child = child;
    const line = await Promise.race([child.firstLine, child.gone]);
    if (line === undefined) throw new Failure(`the receiver did not start: ${child.why()}`);
    const { url } = JSON.parse(line) as { url: string };
    this.#url = new URL(url);
    void child.gone.then(() => {
      if (this.#child === child) onGone(new Failure(`the receiver ended: ${child.why()}`));
    });
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    child.process.kill('SIGTERM');
    const late = setTimeout(() => child.process.kill('SIGKILL'), STOP_MS_MAX);
    await child.gone;
    clearTimeout(late);
  }
}
