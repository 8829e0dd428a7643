// A whole backlog delivered, and the memory that it takes.

import { httpSink } from '../../../lib/index.js';
import { TOKEN } from '../contenders/wal.js';
import { backlogOf, openLarge } from './cycle.js';
import type { Drain, DrainSample } from './job.js';

const LOOK_MS = 50;
/** Of all looks, those that a chart can show. */
const SAMPLES_MAX = 600;

export async function drain(dir: string, sinkUrl: string): Promise<Drain> {
  const log = await openLarge(dir);
  const records = backlogOf(log);
  const started = performance.now();
  const samples: DrainSample[] = [];
  const look = () => {
    const seconds = (performance.now() - started) / 1000;
    samples.push({ seconds, backlog: backlogOf(log), rssBytes: process.memoryUsage.rss() });
  };
  look();
  const looking = setInterval(look, LOOK_MS);
  try {
    await log.ship('log', httpSink({ baseUrl: sinkUrl, token: TOKEN })).idle();
    look();
  } finally {
    clearInterval(looking);
    await log.close();
  }
  const { seconds } = samples.at(-1)!;
  return { recordsPerSecond: records / seconds, samples: thinned(samples) };
}

/** The highest of each part of the time, the first and the last. */
function thinned(samples: readonly DrainSample[]): DrainSample[] {
  const [first, ...rest] = samples;
  const last = rest.pop();
  if (!first || !last) return [...samples];
  const each = Math.ceil(rest.length / SAMPLES_MAX) || 1;
  const highest: DrainSample[] = [];
  for (let at = 0; at < rest.length; at += each) {
    const part = rest.slice(at, at + each);
    highest.push(part.reduce((most, sample) => (sample.rssBytes > most.rssBytes ? sample : most)));
  }
  return [first, ...highest, last];
}
