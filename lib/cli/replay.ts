// `nv-wal replay`: delivers again what is still on disk, or what was refused.

import type { Command } from 'commander';
import { UsageError, usageOf } from './errors.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseInteger, parseKind } from './options.js';
import { counted, printResult } from './output.js';
import type { ReachedLog } from './reach.js';
import { reachLog } from './reach.js';

interface ReplayCommandOptions extends LogAddress, JsonOption {
  kind?: string;
  from?: number;
  quarantine?: boolean;
  shipper: string;
}

const HELP = `With --from, the shipper's cursor moves back in front of that seq, and what is on disk from there on is backlog again:
delivered records are on disk as far as 'keepDeliveredBytes' keeps them. They keep their ids, so that a receiver that
is idempotent has each once. What was refused on the way is taken out of the quarantine. Without --kind, every stream.

With --quarantine, what destinations refused is appended anew, at the end of its stream.

Example:
  nv-wal replay --service gateway --kind audit --from 1200`;

export function addReplay(program: Command): void {
  const command = addCommand(program, 'replay', 'deliver again what is still on disk', HELP);
  addLogOptions(command)
    .addOption(kindOption('only this stream'))
    .option('--from <seq>', 'the first seq to deliver again', parseInteger(1))
    .option('--quarantine', 'what destinations refused, instead')
    .option('--shipper <name>', 'whose cursor, or quarantine', parseKind, 'default')
    .action(async (options: ReplayCommandOptions) => {
      if ((options.from === undefined) === (options.quarantine === undefined)) {
        throw new UsageError('replay from where? say it by either --from or --quarantine');
      }
      await using wal = await reachLog(options);
      const kinds = await kindsOf(wal, options);
      const records = await replay(wal, kinds, options).catch((error: unknown) => {
        throw usageOf(error);
      });
      const what = options.quarantine ? 'appended again' : 'to deliver again';
      await printResult(options.json, { records }, `${counted(records, 'record')} ${what}`);
    });
}

/** The streams that have such a cursor; none may begin behind the seq, before any is moved. */
async function kindsOf(wal: ReachedLog, { kind, from, shipper }: ReplayCommandOptions): Promise<string[]> {
  if (kind !== undefined) return [kind];
  const streams = Object.entries((await wal.stats()).streams).filter(
    ([, stream]) => shipper in stream.shippers,
  );
  if (streams.length === 0) throw new UsageError(`no stream has a cursor '${shipper}'`);
  for (const [name, { firstSeq, shippers }] of streams) {
    if (from === undefined || from >= firstSeq || from > shippers[shipper]!.seq) continue;
    throw new UsageError(
      `'${name}' ${from} is not on disk any more, its first seq is ${firstSeq}; say which stream by --kind`,
    );
  }
  return streams.map(([name]) => name).toSorted();
}

async function replay(
  wal: ReachedLog,
  kinds: readonly string[],
  { from, shipper }: ReplayCommandOptions,
): Promise<number> {
  let records = 0;
  for (const kind of kinds) {
    const again = from === undefined ? wal.resend(kind, { shipper }) : wal.replay(kind, { from, shipper });
    records += (await again).records;
  }
  return records;
}
