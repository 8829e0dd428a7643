// `npm run test:operate`: what looking into a running log costs its service. While it appends 5,000 records a second,
// each command runs again and again beside it, as an operator runs it: as a process. Its start alone burns a core for a
// third of a second, and would whatever it did. So it is compared with the same command asked of a log just alike, in
// another service that does nothing else: what is left is what it costs that this service is the one that is asked. The
// runs take turns, and what counts is the median of the pairs' ratios, so that what else the machine does cancels out. And a
// dump of 256 MiB takes no more memory than its buffers.

import * as assert from 'uvu/assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RemoteLog } from '../../lib/operate/remote.js';
import { MAIN, plainEnvironment } from '../cli/nv-wal.js';
import type { Child } from '../helpers/child.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import type { Pace } from './service-process.js';

const SERVICE = new URL('service-process.ts', import.meta.url);
const PER_SECOND = 5000;
/** Pairs of runs of each command. */
const ROUNDS = 21;
/** Where those say that it is too slow, so many decide, the first ones included: others may use the machine. */
const ROUNDS_MAX = 61;
const SLOWDOWN_MAX = 0.1;
const LOG_MIB = 16;
const DUMP_MIB = 256;
/** What a dump may add to the memory of the process: chunks on their way, and tables that LevelDB has mapped. */
const GROWTH_MIB_MAX = 160;
const MIB = 1_048_576;

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  stats: ['stats'],
  tail: ['tail', '--lines', '100'],
  dump: ['dump'],
  verify: ['verify'],
  'evict --dry-run': ['evict', '--max-bytes', '1MB', '--dry-run'],
  replay: ['replay', '--kind', 'audit', '--from', '1'],
  compact: ['compact'],
};

interface Service {
  readonly child: Child;
  readonly dir: string;
}

async function paceOf(child: Child): Promise<Pace> {
  child.send('pace');
  return (await child.next()) as Pace;
}

async function withService(args: readonly string[], use: (service: Service) => Promise<void>): Promise<void> {
  await withFolder(async (varDir) => {
    await withChild(SERVICE, [varDir, ...args], async (child) => {
      const { dir } = (await child.next()) as { dir: string };
      await use({ child, dir });
    });
  });
}

/** What appends take while a command runs to its end. */
async function during(child: Child, args: readonly string[]): Promise<Pace> {
  await paceOf(child);
  const command = spawn(process.execPath, [MAIN, ...args], {
    env: plainEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(command, 'close')) as [number | null];
  assert.is(code, 0, args.join(' '));
  return await paceOf(child);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const rateOf = ({ acknowledged, seconds }: Pace) => acknowledged / seconds;
const latencyOf = (paces: Pace[]) => median(paces.map(({ latencyMs }) => latencyMs));

async function measureSlowdown(only: readonly string[]): Promise<void> {
  const [own, other] = [String(PER_SECOND), '0'];
  await withService([own, String(LOG_MIB), 'records'], async ({ child, dir }) => {
    await withService([other, String(LOG_MIB), 'records'], async (twin) => {
      const failed: string[] = [];
      for (const [name, command] of Object.entries(COMMANDS)) {
        if (only.length > 0 && !only.includes(command[0]!)) continue;
        if (!(await measureCommand(name, command, child, { own: dir, other: twin.dir }))) failed.push(name);
      }
      assert.equal(failed, [], `appends take longer by more than ${SLOWDOWN_MAX}`);
    });
  });
}

async function measureCommand(
  name: string,
  command: readonly string[],
  child: Child,
  dirs: { own: string; other: string },
): Promise<boolean> {
  const paces: Record<'own' | 'other', Pace[]> = { own: [], other: [] };
  const ratio = (of: (pace: Pace) => number) =>
    median(paces.own.map((pace, n) => of(pace) / of(paces.other[n]!)));
  const isSlow = () =>
    ratio(({ latencyMs }) => latencyMs) > 1 + SLOWDOWN_MAX || ratio(rateOf) < 1 - SLOWDOWN_MAX;
  let rounds = ROUNDS;
  for (let round = 0; round < rounds; round++) {
    for (const whose of round % 2 === 0 ? (['own', 'other'] as const) : (['other', 'own'] as const)) {
      paces[whose].push(await during(child, [...command, '--dir', dirs[whose]]));
    }
    if (round + 1 === ROUNDS && isSlow()) rounds = ROUNDS_MAX;
  }
  await paceOf(child);
  await sleep(1000);
  const alone = await paceOf(child);
  const [latency, rate] = [ratio(({ latencyMs }) => latencyMs), ratio(rateOf)];
  console.log(
    `${name}: an append takes ${latencyOf(paces.own).toFixed(2)} ms, ${latencyOf(paces.other).toFixed(2)} ms beside the same of another log, ${alone.latencyMs.toFixed(2)} ms alone: ratio ${latency.toFixed(3)}; ${median(paces.own.map(rateOf)).toFixed(0)}/s, ratio ${rate.toFixed(3)}`,
  );
  assert.is(
    paces.own.reduce((sum, { rejected }) => sum + rejected, 0),
    0,
  );
  return !isSlow();
}

async function measureMemory(): Promise<void> {
  await withService([String(PER_SECOND), String(DUMP_MIB), 'noise'], async ({ child, dir }) => {
    // What it took to fill the log is not the dump's.
    await paceOf(child);
    await sleep(3000);
    const before = await paceOf(child);
    let bytes = 0;
    for await (const item of new RemoteLog(dir).dump({ kind: 'log' })) bytes += JSON.stringify(item).length;
    const after = await paceOf(child);
    const growth = (after.rss - before.rss) / MIB;
    console.log(
      `dump of ${(bytes / MIB).toFixed(0)} MiB in ${after.seconds.toFixed(1)} s at ${rateOf(after).toFixed(0)} appends/s: memory ${(before.rss / MIB).toFixed(0)} MiB before, ${(after.rss / MIB).toFixed(0)} MiB at most`,
    );
    assert.ok(bytes > DUMP_MIB * MIB);
    assert.ok(growth < GROWTH_MIB_MAX, `a dump takes ${growth.toFixed(0)} MiB`);
  });
}

const only = process.argv.slice(2);
if (only.length === 0) await measureMemory();
await measureSlowdown(only);
