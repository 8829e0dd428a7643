// `nv-wal dump`: a log's records as NDJSON, and the notices in the place of those that are gone.

import type { Command } from 'commander';
import { Failure, UsageError } from './errors.js';
import { interruptible } from './interrupt.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseInteger } from './options.js';
import { print } from './output.js';
import { reachLog } from './reach.js';

interface DumpOptions extends LogAddress, JsonOption {
  kind?: string;
  from?: number;
  to?: number;
  limit?: number;
  gaps?: boolean;
  quarantine?: boolean;
}

const HELP = `Prints a line a record, { id, seq, kind, record, appendedAt }, and a line for a range of records that are
gone, { id, seq, kind, gap, appendedAt }, with or without --json. Delivered records are there until they are
deleted. Without --kind, one stream comes after the other.

With --quarantine, the records that destinations refused: { id, seq, kind, shipper, record, reason, status, response, at }.

Example:
  nv-wal dump --service gateway --kind audit --from 100 --limit 10 | jq .record`;

/** Characters of lines that are written at once. */
const CHUNK_CHARS = 65_536;

export function addDump(program: Command): void {
  const command = addCommand(program, 'dump', 'print the records, oldest first, as NDJSON', HELP);
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
  await using wal = await reachLog(options);
  let chunk = '';
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
    chunk += `${JSON.stringify(item)}\n`;
    if (chunk.length < CHUNK_CHARS) continue;
    // Awaited: a reader that is slower than the disk must not fill the memory.
    await print(chunk);
    chunk = '';
  }
  await print(chunk);
}
