// `nv-wal forget`: gives up a cursor that nobody will ship from again.

import type { Command } from 'commander';
import { usageOf } from './errors.js';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseKind } from './options.js';
import { counted, printResult } from './output.js';

interface ForgetOptions extends LogAddress, JsonOption {
  kind: string;
  shipper: string;
}

const HELP = `What only this cursor was waiting for may be deleted after that: it can't be taken back. A service that still
declares the shipper gets a new cursor, at the oldest record on disk.

Example:
  nv-wal forget --service gateway --kind audit --shipper siem`;

export function addForget(program: Command): void {
  const command = addCommand(program, 'forget', "give a shipper's cursor up for good", HELP);
  addLogOptions(command)
    .addOption(kindOption('the stream').makeOptionMandatory())
    .requiredOption('--shipper <shipper>', 'the cursor', parseKind)
    .action(async (options: ForgetOptions) => {
      await using wal = await reachLog(options);
      const report = await wal.forget(options.kind, options.shipper).catch((error: unknown) => {
        throw usageOf(error);
      });
      await printResult(options.json, report, `forgotten; it had ${counted(report.records, 'record')} to go`);
    });
}
