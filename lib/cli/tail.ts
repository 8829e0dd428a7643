// `nv-wal tail`: the newest records, and those that come.

import type { Command } from 'commander';
import type { ReadItem } from '../index.js';
import { Failure } from './errors.js';
import { interruptible } from './interrupt.js';
import { ItemPrinter } from './items.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseInteger } from './options.js';
import { note } from './output.js';
import { reachLog } from './reach.js';

interface TailCommandOptions extends LogAddress, JsonOption {
  follow?: boolean;
  kind?: string;
  lines: number;
}

const HELP = `Prints lines as 'dump' does, of all streams by when they were appended. Delivered records that are deleted already
are not there to be shown; with --follow, stderr says which went before they could be.

With --follow it goes on until SIGINT or SIGTERM, or until the process closes its log. It needs such a process: to
a log that nobody holds, nothing comes.

Example:
  nv-wal tail --service gateway --follow --kind log`;

export function addTail(program: Command): void {
  const command = addCommand(program, 'tail', 'print the newest records, and those that come', HELP);
  addLogOptions(command)
    .option('-f, --follow', 'go on and print what comes')
    .addOption(kindOption('only this stream'))
    .option('--lines <n>', 'how many records of each stream to begin with', parseInteger(0), 10)
    .action(async (options: TailCommandOptions) => {
      await interruptible((signal) => tail(options, signal));
    });
}

async function tail(options: TailCommandOptions, signal: AbortSignal): Promise<void> {
  const { kind, lines, follow = false } = options;
  await using wal = await reachLog(options);
  const printer = new ItemPrinter(options.json);
  const told = new Map<string, number>();
  try {
    for await (const item of wal.tail({ lines, follow, ...(kind !== undefined && { kind }) }, signal)) {
      if (signal.aborted) break;
      if (!item) continue;
      if (follow) noteMissed(told, item);
      await printer.print(item);
      // What comes now and then is to be seen at once.
      if (follow) await printer.flush();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await printer.flush();
  if (signal.aborted && !follow) throw new Failure('interrupted');
  if (follow && !signal.aborted) note('nv-wal: the process has closed its log');
}

/** Says what was delivered and deleted between two lines of a stream. */
function noteMissed(told: Map<string, number>, item: ReadItem<object>): void {
  const { kind, seq } = item;
  const from = 'gap' in item ? item.gap.from : seq;
  const last = told.get(kind) ?? from - 1;
  if (from > last + 1) {
    note(`nv-wal: ${kind} ${last + 1} to ${from - 1} were delivered and deleted before they could be shown`);
  }
  told.set(kind, seq);
}
