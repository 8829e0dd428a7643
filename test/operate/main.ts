// `npm run test:operate`: what looking into a running log costs its service. While it appends 5,000 records a second,
// commands slow that down by less than a tenth (medians of windows, with and without, in turns), and a dump of 256 MiB
// takes no more memory than its buffers.

import * as assert from 'uvu/assert';
import { RemoteLog } from '../../lib/operate/remote.js';
import type { Child } from '../helpers/child.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import type { Pace } from './service-process.js';

const SERVICE = new URL('service-process.ts', import.meta.url);
const PER_SECOND = 5000;
const ROUNDS = 5;
const WINDOW_MS = 3000;
const SLOWDOWN_MAX = 0.1;
const DUMP_MIB = 256;
/** What a dump may add to the memory of the process: chunks on their way, and tables that LevelDB has mapped. */
const GROWTH_MIB_MAX = 160;
const MIB = 1_048_576;

async function paceOf(child: Child): Promise<Pace> {
  child.send('pace');
  return (await child.next()) as Pace;
}

async function withService(
  fillMib: number,
  use: (child: Child, remote: RemoteLog) => Promise<void>,
): Promise<void> {
  await withFolder(async (varDir) => {
    await withChild(SERVICE, [varDir, String(PER_SECOND), String(fillMib)], async (child) => {
      const { dir } = (await child.next()) as { dir: string };
      await use(child, new RemoteLog(dir));
    });
  });
}

/** Runs something again and again for as long as a window is. */
async function during(child: Child, work: () => Promise<unknown>): Promise<Pace> {
  await paceOf(child);
  const until = performance.now() + WINDOW_MS;
  while (performance.now() < until) await work();
  return await paceOf(child);
}

async function dump(remote: RemoteLog, kind?: string): Promise<number> {
  let bytes = 0;
  for await (const item of remote.dump(kind === undefined ? {} : { kind }))
    bytes += JSON.stringify(item).length;
  return bytes;
}

const rest = () => new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const rateOf = ({ acknowledged, seconds }: Pace) => acknowledged / seconds;

async function measureSlowdown(): Promise<void> {
  await withService(16, async (child, remote) => {
    const works: Record<string, () => Promise<unknown>> = {
      stats: () => remote.stats(),
      dump: () => dump(remote),
      verify: () => remote.verify(),
      'evict --dry-run': () => remote.evict({ maxBytes: MIB, dryRun: true }),
      replay: () => remote.replay('audit', { from: 1 }),
      compact: () => remote.compact(),
    };
    await rest();
    for (const [name, work] of Object.entries(works)) {
      const [quiet, busy]: [Pace[], Pace[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        quiet.push(await during(child, rest));
        busy.push(await during(child, work));
      }
      const ratio = median(busy.map(rateOf)) / median(quiet.map(rateOf));
      const latency = (paces: Pace[]) => median(paces.map(({ latencyMs }) => latencyMs)).toFixed(2);
      console.log(
        `${name}: ${median(busy.map(rateOf)).toFixed(0)}/s, without ${median(quiet.map(rateOf)).toFixed(0)}/s, ratio ${ratio.toFixed(3)}; an append takes ${latency(busy)} ms, without ${latency(quiet)} ms`,
      );
      assert.ok(ratio > 1 - SLOWDOWN_MAX, `${name} slows appends down to ${ratio.toFixed(3)}`);
      assert.is(busy.at(-1)!.rejected, 0);
    }
  });
}

async function measureMemory(): Promise<void> {
  await withService(DUMP_MIB, async (child, remote) => {
    // What it took to fill the log is not the dump's.
    await paceOf(child);
    await rest();
    const before = await paceOf(child);
    const bytes = await dump(remote, 'log');
    const after = await paceOf(child);
    const growth = (after.rss - before.rss) / MIB;
    console.log(
      `dump of ${(bytes / MIB).toFixed(0)} MiB in ${after.seconds.toFixed(1)} s at ${rateOf(after).toFixed(0)} appends/s: memory ${(before.rss / MIB).toFixed(0)} MiB before, ${(after.rss / MIB).toFixed(0)} MiB at most`,
    );
    assert.ok(bytes > DUMP_MIB * MIB);
    assert.ok(growth < GROWTH_MIB_MAX, `a dump takes ${growth.toFixed(0)} MiB`);
  });
}

await measureMemory();
await measureSlowdown();
