// `nv-wal stats`: where every stream and cursor stands.

import type { Command } from 'commander';
import type { ShipperStats, StreamStats, WalStats } from '../index.js';
import { UsageError } from './errors.js';
import { interruptible } from './interrupt.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, parseDuration } from './options.js';
import { age, count, printResult, size, table } from './output.js';
import { reachLog } from './reach.js';
import { watchStats } from './watch.js';

interface StatsOptions extends LogAddress, JsonOption {
  watch?: boolean;
  interval?: number;
}

const HELP = `Last - start = delivered + dropped + quarantined + lost + backlog, for each shipper.

With --watch it goes on until SIGINT: in place on a terminal, otherwise a block or, with --json, a line each time. When
the process that holds the log goes away, it says so and waits for the next.

Example:
  nv-wal stats --service gateway --var-dir /var/lib/acme --watch`;

const INTERVAL_MS = 2000;
/** Less would be work for the service, and nothing more to see. */
const INTERVAL_MS_MIN = 50;

const HEAD = [
  'stream',
  'shipper',
  'last',
  'stored',
  'oldest',
  'start',
  'delivered',
  'dropped',
  'quarantined',
  'lost',
  'backlog',
  'bytes',
];

export function addStats(program: Command): void {
  const command = addCommand(program, 'stats', 'show where every stream and cursor stands', HELP);
  addLogOptions(command)
    .option('--watch', 'refresh until SIGINT (Ctrl-C)')
    .option('--interval <time>', 'with --watch, how often (default: 2s)', parseDuration)
    .action(async (options: StatsOptions) => {
      const { watch = false, interval = INTERVAL_MS, json } = options;
      if (options.interval !== undefined && !watch) throw new UsageError('--interval goes with --watch');
      if (interval < INTERVAL_MS_MIN)
        throw new UsageError(`expected --interval of at least ${INTERVAL_MS_MIN}ms`);
      if (watch) {
        return await interruptible((signal) => watchStats({ ...options, interval }, describe, signal));
      }
      await using wal = await reachLog(options);
      const stats = await wal.stats();
      await printResult(json, stats, describe(stats));
    });
}

function describe(stats: WalStats): string {
  const { service, instance, dir, logId, diskBytes } = stats;
  const rows = Object.entries(stats.streams)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([kind, stream]) => rowsOf(kind, stream));
  const title = `${service}/${instance}, log ${logId}, ${size(diskBytes)} on disk in ${dir}`;
  return `${title}\n${table(HEAD, rows, 2)}`;
}

function rowsOf(kind: string, { lastSeq, storedBytes, oldestAppendedAt, shippers }: StreamStats): string[][] {
  const stream = [count(lastSeq), size(storedBytes), age(oldestAppendedAt)];
  const rows = Object.entries(shippers).map(([name, shipper]) => [kind, name, ...stream, ...cells(shipper)]);
  return rows.length > 0 ? rows : [[kind, 'none', ...stream]];
}

function cells(shipper: ShipperStats): string[] {
  const { startSeq, delivered, dropped, quarantined, lost, backlogRecords, backlogBytes } = shipper;
  const counts = [startSeq, delivered, dropped, quarantined, lost, backlogRecords];
  return [...counts.map(count), size(backlogBytes)];
}
