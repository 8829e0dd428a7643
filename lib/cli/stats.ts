// `nv-wal stats`: where every stream and cursor stands.

import type { Command } from 'commander';
import type { ShipperStats, StreamStats, WalStats } from '../index.js';
import { reachLog } from './reach.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions } from './options.js';
import { age, count, printResult, size, table } from './output.js';

const HELP = `Last - start = delivered + dropped + quarantined + lost + backlog, for each shipper.

Example:
  nv-wal stats --service gateway --var-dir /var/lib/acme`;

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
  addLogOptions(command).action(async (options: LogAddress & JsonOption) => {
    await using wal = await reachLog(options);
    const stats = await wal.stats();
    await printResult(options.json, stats, describe(stats));
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
