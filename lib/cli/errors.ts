// How the command line fails: an exit code, and one line on stderr for each error. Knows no command.

import { CommanderError } from 'commander';
import { WalError } from '../index.js';

/** Done; failed; or asked for in a way that can't be done, so that trying again is no use. */
export type ExitCode = 0 | 1 | 2;

/** What the command line or the environment says does not fit: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The work was done, or broken off, and did not end well: exit code 1. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** Calls what takes its arguments from flags or the environment: that they don't fit is then the caller's mistake. */
export function asUsage<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw usageOf(error);
  }
}

/** An error as it should be thrown on, where the options came from flags or the environment. */
export function usageOf(error: unknown): unknown {
  const isConfig = error instanceof WalError && error.code === 'WAL_CONFIG';
  return isConfig ? new UsageError(error.message, { cause: error }) : error;
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) return 2;
  if (error instanceof WalError && error.code === 'WAL_UNKNOWN_KIND') return 2;
  // `nv-wal dump | head`: whoever was reading has read enough.
  if (isCode(error, 'EPIPE')) return 0;
  return 1;
}

/** The line that says what went wrong; `undefined` where nothing did, or where commander has said it. */
export function errorLine(error: unknown): string | undefined {
  if (error instanceof CommanderError || isCode(error, 'EPIPE')) return undefined;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof WalError ? ` (${error.code})` : '';
  return `nv-wal: ${oneLine(message)}${code}`;
}

/** Some messages come from elsewhere, and one error is one line. */
export function oneLine(message: string): string {
  return message.trim().replaceAll(/\s*[\r\n]+\s*/g, ' ');
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
