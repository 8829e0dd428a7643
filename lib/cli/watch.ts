// `nv-wal stats --watch`: the same again and again, of whichever process holds the log. Never opens a log more than
// once: that would keep the service that is waited for from doing so.

import { clearScreenDown, cursorTo } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WalStats } from '../index.js';
import { RemoteLog } from '../index.js';
import type { LogAddress } from './options.js';
import { placeOf } from './options.js';
import { isScreen, note, print } from './output.js';
import { reachLog } from './reach.js';

export interface WatchOptions extends LogAddress {
  json?: boolean;
  /** In ms. */
  interval: number;
}

/** Shows the stats until the signal fires. Where nobody holds the log, says so, and goes on when somebody does. */
export async function watchStats(
  options: WatchOptions,
  describe: (stats: WalStats) => string,
  signal: AbortSignal,
): Promise<void> {
  const { dir } = placeOf(options);
  const display = displayFor(options.json, describe);
  await display.show(await firstStats(options));
  let isAway = false;
  while (await passed(options.interval, signal)) {
    const stats = await statsOfHolder(dir, signal);
    if (stats) {
      if (isAway) await display.say(`a process holds the log in ${dir} again`);
      await display.show(stats);
    } else if (!isAway && !signal.aborted) {
      await display.say(`no process holds the log in ${dir}; waiting for one`);
    }
    isAway = stats === undefined;
  }
}

async function firstStats(address: LogAddress): Promise<WalStats> {
  await using wal = await reachLog(address);
  return await wal.stats();
}

/** Undefined where nobody answers, or goes away meanwhile. */
async function statsOfHolder(dir: string, signal: AbortSignal): Promise<WalStats | undefined> {
  const remote = await RemoteLog.find(dir, { signal });
  return await remote?.stats().catch(() => undefined);
}

interface Display {
  show(stats: WalStats): Promise<void>;
  say(message: string): Promise<void>;
}

function displayFor(json: boolean | undefined, describe: (stats: WalStats) => string): Display {
  if (json) return { show: (stats) => print(`${JSON.stringify({ at: Date.now(), ...stats })}\n`), say };
  const block = (stats: WalStats) => `${new Date().toISOString()}\n${describe(stats)}\n`;
  if (!isScreen(process.stdout)) return { show: (stats) => print(`${block(stats)}\n`), say };
  let shown = '';
  return {
    show: (stats) => draw((shown = block(stats))),
    say: (message) => draw(`${shown}\n${message}\n`),
  };
}

/** Beside what is shown, where that is for programs or for a file. */
function say(message: string): Promise<void> {
  note(`nv-wal: ${message}`);
  return Promise.resolve();
}

/** In the place of what was drawn before. */
async function draw(text: string): Promise<void> {
  cursorTo(process.stdout, 0, 0);
  clearScreenDown(process.stdout);
  await print(text);
}

/** Whether it was time that passed, and not the end that came. */
async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  return !signal.aborted;
}
