// `nv-wal evict`: deletes the oldest records down to bounds.

import type { Command } from 'commander';
import { UsageError } from './errors.js';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseDuration, parseSize } from './options.js';
import { count, counted, printResult, progress, size } from './output.js';

interface EvictOptions extends LogAddress, JsonOption {
  kind?: string;
  maxBytes?: number;
  maxAge?: number;
}

const HELP = `What is delivered goes first. Undelivered records of 'log' follow: the ledger counts them, and receivers are
told. Undelivered records of any other stream stay, whatever the bound.

Example:
  nv-wal evict --service gateway --max-bytes 64MB --max-age 12h`;

export function addEvict(program: Command): void {
  const command = addCommand(program, 'evict', 'delete the oldest records down to bounds', HELP);
  addLogOptions(command)
    .addOption(kindOption('only this stream; otherwise all of them together'))
    .option('--max-bytes <size>', 'until so much is stored at most: 1048576, 64MB', parseSize)
    .option('--max-age <time>', 'what was appended longer ago: 90m, 12h, 7d', parseDuration)
    .action(async (options: EvictOptions) => {
      const { kind, maxBytes, maxAge: maxAgeMs } = options;
      if (maxBytes === undefined && maxAgeMs === undefined) {
        throw new UsageError('evict down to what? say it by --max-bytes or --max-age');
      }
      await using wal = await reachLog(options);
      using _ = progress('evicting');
      const report = await wal.evict({
        ...(kind !== undefined && { kind }),
        ...(maxBytes !== undefined && { maxBytes }),
        ...(maxAgeMs !== undefined && { maxAgeMs }),
      });
      const { evicted, dropped, freedBytes } = report;
      const text = `evicted ${counted(evicted, 'record')} (${size(freedBytes)}), ${count(dropped)} of them undelivered`;
      await printResult(options.json, report, text);
    });
}
