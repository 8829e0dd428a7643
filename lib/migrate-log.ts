// Brings a log to this version's format without working with it. What `nv-wal migrate` does.

import { steps } from '../migrations/index.js';
import { systemClock } from './clock.js';
import { DEFAULTS } from './config.js';
import { FORMAT } from './log/keyspace.js';
import { Log } from './log/log.js';

export interface MigrateReport {
  /** The format that was found, and the one that is there now. */
  from: number;
  to: number;
  /** The folder that holds what was there before; absent where there was nothing to do. */
  copy?: string;
}

/**
 * Brings the log in a folder to this version's format, as `Wal.open` does. Does nothing where it has it.
 *
 * @throws {WalError} `WAL_FORMAT_TOO_NEW`, `WAL_LOCKED`, `WAL_IO`, `WAL_CORRUPT`; `WAL_CONFIG` where no log is
 *   there, or one that is too old.
 */
export async function migrateLog(dir: string): Promise<MigrateReport> {
  let report: MigrateReport = { from: FORMAT, to: FORMAT };
  const log = await Log.open({
    dir,
    steps,
    repairs: false,
    reserveBytes: 0,
    maxBytes: DEFAULTS.maxBytes,
    clock: systemClock,
    onEvent: (event) => {
      if (event.type === 'migrated') report = { from: event.from, to: event.to, copy: event.copy };
    },
  });
  await log.close();
  return report;
}
