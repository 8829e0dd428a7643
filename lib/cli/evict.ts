// `nv-wal evict`: deletes the oldest records down to bounds.

import type { Command } from 'commander';
import type { EvictReport } from '../index.js';
import { UsageError } from './errors.js';
import { interruptible } from './interrupt.js';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseDuration, parseSize } from './options.js';
import { count, counted, printResult, progress, size, table } from './output.js';

interface EvictOptions extends LogAddress, JsonOption {
  kind?: string;
  maxBytes?: number;
  maxAge?: number;
  dryRun?: boolean;
}

const HEAD = ['stream', 'for', 'from', 'to', 'records', 'undelivered', 'bytes'];

const HELP = `What is delivered goes first. Undelivered records of 'log' follow: the ledger counts them, and receivers are
told. Undelivered records of any other stream stay, whatever the bound. With --dry-run, nothing goes: what would go is
listed, as it would go now.

Example:
  nv-wal evict --service gateway --max-bytes 64MB --max-age 12h`;

export function addEvict(program: Command): void {
  const command = addCommand(program, 'evict', 'delete the oldest records down to bounds', HELP);
  addLogOptions(command)
    .addOption(kindOption('only this stream; otherwise all of them together'))
    .option('--max-bytes <size>', 'until so much is stored at most: 1048576, 64MB', parseSize)
    .option('--max-age <time>', 'what was appended longer ago: 90m, 12h, 7d', parseDuration)
    .option('--dry-run', 'only say what would go')
    .action(async (options: EvictOptions) => {
      const { kind, maxBytes, maxAge: maxAgeMs, dryRun } = options;
      if (maxBytes === undefined && maxAgeMs === undefined) {
        throw new UsageError('evict down to what? say it by --max-bytes or --max-age');
      }
      const report = await interruptible(async (signal) => {
        await using wal = await reachLog(options, signal);
        using _ = progress('evicting');
        return await wal.evict({
          ...(kind !== undefined && { kind }),
          ...(maxBytes !== undefined && { maxBytes }),
          ...(maxAgeMs !== undefined && { maxAgeMs }),
          ...(dryRun !== undefined && { dryRun }),
        });
      });
      await printResult(options.json, report, describe(report, dryRun));
    });
}

function describe({ evicted, dropped, freedBytes, ranges }: EvictReport, dryRun = false): string {
  const sum = `${counted(evicted, 'record')} (${size(freedBytes)}), ${count(dropped)} of them undelivered`;
  if (!dryRun) return `evicted ${sum}`;
  const rows = ranges.map(({ kind, from, to, records, dropped: undelivered, bytes, reason }) => [
    kind,
    reason,
    ...[from, to, records, undelivered].map(count),
    size(bytes),
  ]);
  const shown = rows.length > 0 ? `\n${table(HEAD, rows, 2)}` : '';
  return `would evict ${sum}${shown}`;
}
