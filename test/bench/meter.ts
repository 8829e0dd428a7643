// Meters of this process around a piece of work: time, CPU, event-loop delay, bytes written. Knows no contender.

import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Usage {
  seconds: number;
  /** User and system time of all threads, µs. */
  cpuUs: number;
  loopDelayP99Ms: number;
  writtenBytes: number;
}

const LOOP_RESOLUTION_MS = 1;
/** What the kernel counts output in (Linux). */
const BLOCK_BYTES = 512;

/** Does the work under the meters, and under V8's profiler where a file for its profile is given. */
export async function metered<T>(
  work: () => Promise<T>,
  profile: string | undefined,
): Promise<{ result: T; usage: Usage }> {
  const stopProfiler = profile === undefined ? undefined : await startProfiler(profile);
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const started = performance.now();
  const { fsWrite } = process.resourceUsage();
  const cpu = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  const writtenBytes = (process.resourceUsage().fsWrite - fsWrite) * BLOCK_BYTES;
  const seconds = (performance.now() - started) / 1000;
  loop.disable();
  await stopProfiler?.();
  // The histogram holds the time between two ticks of its timer, the timer's own interval included.
  const loopDelayP99Ms = Math.max(0, loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS);
  return { result, usage: { seconds, cpuUs: user + system, loopDelayP99Ms, writtenBytes } };
}

async function startProfiler(file: string): Promise<() => Promise<void>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await writeFile(file, JSON.stringify(profile));
  };
}
