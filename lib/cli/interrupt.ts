// SIGINT and SIGTERM: the first asks the running command to end cleanly, the second ends the process.

import type { ExitCode } from './errors.js';
import { Failure } from './errors.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** npm passes on a Ctrl-C that the terminal has sent to everyone already: that is one wish, not two. */
const ECHO_MS = 300;
const INTERRUPTED: ExitCode = 1;

/** Runs work that can be ended: `signal` fires with the first SIGINT or SIGTERM. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupt = new AbortController();
  let firstAt: number | undefined;
  const onSignal = () => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      interrupt.abort();
    } else if (performance.now() - firstAt > ECHO_MS) {
      process.exit(INTERRUPTED);
    }
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(interrupt.signal);
  } catch (error) {
    throw error === interrupt.signal.reason ? new Failure('interrupted') : error;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}

/** Resolves when `signal` fires. Keeps the process alive until then: a signal handler alone does not. */
export function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const keepAlive = setInterval(() => {}, 2 ** 30);
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(keepAlive);
        resolve();
      },
      { once: true },
    );
  });
}
