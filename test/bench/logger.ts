// The cost of a log call: one that persists and one that doesn't, next to bare pino in the same run.

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from './child.js';
import { spreadOf } from './statistics.js';

export type LoggerName = 'pino' | 'not persisted' | 'persisted';

export interface LoggerJob {
  /** An empty folder. */
  readonly dir: string;
  readonly rounds: number;
  /** Of each logger in each round. */
  readonly calls: number;
}

export interface LoggerCost {
  /** How long the caller is held up, in µs. */
  readonly callUs: number;
  /** What all threads of the process do for it until it is where it belongs, in µs. */
  readonly cpuUs: number;
}

export type LoggerCosts = Record<LoggerName, LoggerCost[]>;

const TITLES: Record<LoggerName, string> = {
  pino: 'bare pino',
  'not persisted': 'logger, to the console alone',
  persisted: 'logger, to the log as well',
};

/** Measures it, and returns a table. `modules`: the folder of the compiled modules. */
export async function loggerCosts(modules: string, parent: string, isShort: boolean): Promise<string> {
  const dir = await mkdtemp(join(parent, 'logger-'));
  const child = new Child(join(modules, 'logger-process.js'));
  try {
    const job: LoggerJob = { dir, rounds: isShort ? 3 : 9, calls: isShort ? 10_000 : 50_000 };
    const answer = (await child.ask(job)) as { costs: LoggerCosts } | { failed: string };
    if ('failed' in answer) throw new Error(answer.failed);
    return tableOf(answer.costs);
  } finally {
    await child.stop();
    await rm(dir, { recursive: true });
  }
}

function tableOf(costs: LoggerCosts): string {
  const rows = (Object.keys(TITLES) as LoggerName[]).map((name) => {
    const { median, lowest, highest } = spreadOf(costs[name].map(({ callUs }) => callUs));
    const cpu = spreadOf(costs[name].map(({ cpuUs }) => cpuUs)).median;
    const range = `${lowest.toFixed(1)} to ${highest.toFixed(1)}`;
    return `| ${TITLES[name].padEnd(28)} | ${median.toFixed(1).padStart(8)} | ${range.padStart(17)} | ${cpu.toFixed(1).padStart(11)} |`;
  });
  return [
    '| an info() by                 | µs/call  | lowest to highest | CPU µs/call |',
    '| ---------------------------- | -------: | ----------------: | ----------: |',
    ...rows,
    '',
    '',
  ].join('\n');
}
