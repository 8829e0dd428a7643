// `nv-wal dump`: a log's records as NDJSON, and the notices in the place of those that are gone.

import type { Command } from 'commander';
import { Failure, UsageError } from './errors.js';
import { interruptible } from './interrupt.js';
import type { JsonOption, LogAddress } from './options.js';
import { ItemPrinter } from './items.js';
import { addCommand, addLogOptions, kindOption, parseInteger } from './options.js';
import { reachLog } from './reach.js';

interface DumpOptions extends LogAddress, JsonOption {
  kind?: string;
  from?: number;
  to?: number;
  limit?: number;
  gaps?: boolean;
  quarantine?: boolean;
}

const HELP = `Prints a line a record, and a line for a range of records that are gone. With --json, and wherever the output is
no terminal, these are { id, seq, kind, record, appendedAt } and { id, seq, kind, gap, appendedAt }; on a terminal
they are for people: time, kind, seq, what the record says. Delivered records are there until they are deleted.
Without --kind, one stream comes after the other.

With --quarantine, the records that destinations refused: { id, seq, kind, shipper, record, reason, status, response, at }.

Example:
  nv-wal dump --service gateway --kind audit --from 100 --limit 10 | jq .record`;

export function addDump(program: Command): void {
  const command = addCommand(program, 'dump', 'print the records, oldest first', HELP);
  addLogOptions(command)
    .addOption(kindOption('only this stream'))
    .option('--from <seq>', 'the first seq', parseInteger(1))
    .option('--to <seq>', 'the last seq', parseInteger(1))
    .option('--limit <n>', 'lines at most', parseInteger(1))
    .option('--gaps', 'only the notices')
    .option('--quarantine', 'only the records that destinations refused')
    .action(async (options: DumpOptions) => {
      const { from = 1, to = Infinity } = options;
      if (to < from) throw new UsageError(`expected --to (${to}) to be at or after --from (${from})`);
      if (options.gaps && options.quarantine)
        throw new UsageError('expected --gaps or --quarantine, not both');
      await interruptible((signal) => dump(options, signal));
    });
}

async function dump(options: DumpOptions, signal: AbortSignal): Promise<void> {
  const { kind, from, to, limit, gaps, quarantine } = options;
  await using wal = await reachLog(options, signal);
  const printer = new ItemPrinter(options.json);
  const wanted = {
    ...(kind !== undefined && { kind }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(limit !== undefined && { limit }),
    ...(gaps !== undefined && { gaps }),
    ...(quarantine !== undefined && { quarantine }),
  };
  for await (const item of wal.dump(wanted)) {
    if (signal.aborted) throw new Failure('interrupted');
    await printer.print(item);
  }
  await printer.flush();
}
