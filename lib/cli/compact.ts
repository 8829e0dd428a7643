// `nv-wal compact`: gives the space of deleted records back to the file system.

import type { Command } from 'commander';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions } from './options.js';
import { printResult, progress, size } from './output.js';

const HELP = `A running log does this by itself, in steps.

Example:
  nv-wal compact --service gateway`;

export function addCompact(program: Command): void {
  const command = addCommand(program, 'compact', 'give deleted space back to the file system', HELP);
  addLogOptions(command).action(async (options: LogAddress & JsonOption) => {
    await using wal = await reachLog(options);
    using _ = progress('compacting');
    const report = await wal.compact();
    const { bytesBefore, bytesAfter } = report;
    await printResult(options.json, report, `${size(bytesBefore)} before, ${size(bytesAfter)} after`);
  });
}
