// `nv-wal migrate`: a log to this version's format, without starting its service.

import type { Command } from 'commander';
import { WalError, migrateLog } from '../index.js';
import { Failure } from './errors.js';
import type { MigrateReport } from '../index.js';
import { checkOwner } from './open.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, placeOf } from './options.js';
import { printResult } from './output.js';

const HELP = `A service does it by itself when it opens its log; this does it beforehand, to see that it works and how long it
takes. What was there is kept beside the log. Does nothing where the log has this version's format; one of a newer
version is refused.

Example:
  nv-wal migrate --service gateway`;

export function addMigrate(program: Command): void {
  const command = addCommand(program, 'migrate', "bring a log to this version's format", HELP);
  addLogOptions(command).action(async (options: LogAddress & JsonOption) => {
    const { dir } = placeOf(options);
    await checkOwner(dir);
    const report = await migrateLog(dir).catch((error: unknown) => {
      if (!(error instanceof WalError) || error.code !== 'WAL_LOCKED') throw error;
      throw new Failure(
        `${dir} is in use: the process that holds it brought it to its own version's format when it opened it; for this version's, stop it first`,
      );
    });
    await printResult(options.json, report, describe(report));
  });
}

function describe({ from, to, copy }: MigrateReport): string {
  if (copy === undefined) return `it has format ${to} already`;
  return `from format ${from} to ${to}; what was there is kept in ${copy}`;
}
