// `nv-wal compact`: gives the space of deleted records back to the file system.

import type { Command } from 'commander';
import type { CompactReport } from '../index.js';
import { interruptible } from './interrupt.js';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions } from './options.js';
import { printResult, progress, size } from './output.js';

const HELP = `A running log does this by itself, in steps. What is interrupted has given back what it got to.

Example:
  nv-wal compact --service gateway`;

export function addCompact(program: Command): void {
  const command = addCommand(program, 'compact', 'give deleted space back to the file system', HELP);
  addLogOptions(command).action(async (options: LogAddress & JsonOption) => {
    const report = await interruptible((signal) => compact(options, signal));
    const { bytesBefore, bytesAfter } = report;
    await printResult(options.json, report, `${size(bytesBefore)} before, ${size(bytesAfter)} after`);
  });
}

async function compact(address: LogAddress, signal: AbortSignal): Promise<CompactReport> {
  await using wal = await reachLog(address, signal);
  using shown = progress('compacting');
  return await wal.compact({
    signal,
    onProgress: ({ bytes, bytesTotal }) => shown.say(`compacting: ${size(bytes)} of ${size(bytesTotal)}`),
  });
}
