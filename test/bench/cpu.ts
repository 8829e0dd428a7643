// CPU time of processes that can't be asked for it, by Linux's account.

import { readFileSync, readdirSync } from 'node:fs';

/** The kernel counts a process's time in these. */
const TICK_US = 10_000;

interface Account {
  readonly parent: number;
  /** User and system time of all threads, in µs. */
  readonly cpuUs: number;
}

/** Of one process. */
export function cpuUsOf(pid: number): number {
  return accountOf(pid).cpuUs;
}

/** Of a process's children: those of PostgreSQL live as long as their connections. */
export function cpuUsBelow(parent: number): number {
  let cpuUs = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const account = accountOf(Number(pid));
      if (account.parent === parent) cpuUs += account.cpuUs;
    } catch {
      // It has ended since.
    }
  }
  return cpuUs;
}

function accountOf(pid: number): Account {
  // The name in parentheses may hold anything; what follows it are numbers.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return { parent: Number(fields[1]), cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US };
}
