// Time, passed in: no other file reads a clock or sets a timer for a policy.

export interface Clock {
  /** Wall clock, epoch ms. May jump. */
  now(): number;
  /** Ms since some fixed moment of this process. Never jumps. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` fires; never rejects. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that Node's timers take; anything above would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, TIMER_MS_MAX));
      timer.unref();
      signal?.addEventListener('abort', done, { once: true });
    }),
};
