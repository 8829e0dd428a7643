// `nv-wal import`: NDJSON files into a log, each line once.

import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { RemoteLog, Wal } from '../index.js';
import type { ImportOptions, ImportProblem, ImportReport, StreamPolicy } from '../index.js';
import { Failure, usageOf } from './errors.js';
import { interruptible } from './interrupt.js';
import type { OpenLog } from './open.js';
import { boundsFromEnv, checkOwner, isLog, openPlace } from './open.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, placeOf } from './options.js';
import { remoteOf } from './reach.js';
import { count, counted, note, printResult, progress, size, unreadable } from './output.js';

interface ImportCommandOptions extends LogAddress, JsonOption {
  kind?: string;
}

const HELP = `Lines may be { kind, record }, what 'dump' and 'export' write, plain records, or the older gateway's
{ appendedAt, blob }; the last two are of --kind. A folder stands for the .ndjson, .ldjson and .jsonl files below it.
Running it again imports what is new, and nothing twice. A line that can't be read is named, and the rest goes on; the
exit code is then 1.

Makes the log where none is (with --service). Kinds are log, audit, those that the log has already, and --kind;
nothing is dropped for what is imported: where the log is full, the import ends. Into a log in use, the process that
holds it imports: it must find the files under the same paths.

Example:
  nv-wal import --service gateway --kind audit /var/log/old-wal`;

export function addImport(program: Command): void {
  const command = addCommand(program, 'import', 'append what NDJSON files hold, each line once', HELP);
  command.argument('<files...>', 'files and folders');
  addLogOptions(command)
    .addOption(kindOption('the kind of lines that do not say theirs'))
    .action(async (files: string[], options: ImportCommandOptions) => {
      const report = await interruptible((signal) => importFiles(files, options, signal));
      const { imported, skipped, failed, files: seen } = report;
      const text = `imported ${counted(imported, 'record')} from ${counted(seen, 'file')}; ${count(skipped)} were there already`;
      await printResult(options.json, { imported, skipped, failed, files: seen }, text);
      if (failed > 0) throw new Failure(unreadable(failed));
    });
}

/**
 * The log, made where none is. One that exists is opened as it is: to open it as its service does would declare
 * shippers that it may not have, and their cursors would hold its records for ever.
 */
async function openOrMake(options: ImportCommandOptions): Promise<OpenLog> {
  const place = placeOf(options);
  const streams = streamsWith(options.kind);
  // What brings records in keeps to the bounds that it is given.
  const bounds = boundsFromEnv();
  if (!place.under || (await isLog(place))) return await openPlace(place, { ...bounds, streams });
  // Another user's service must not find a log that it can't open.
  for (const folder of [dirname(dirname(place.dir)), dirname(place.dir)]) await checkOwner(folder);
  try {
    // Nothing is shipped here, so there is nothing to take over from other instances.
    return await Wal.open<Record<string, object>>({ ...bounds, ...place.under, streams, adopt: false });
  } catch (error) {
    throw usageOf(error);
  }
}

/** A kind of its own is declared by being asked for. Undelivered records of it are not this command's to drop. */
function streamsWith(kind: string | undefined): Record<string, Partial<StreamPolicy>> {
  return kind === undefined || kind === 'log' || kind === 'audit' ? {} : { [kind]: { whenFull: 'reject' } };
}

async function importFiles(
  files: string[],
  options: ImportCommandOptions,
  signal: AbortSignal,
): Promise<ImportReport> {
  const { kind } = options;
  using shown = progress('importing');
  const how: ImportOptions = {
    ...(kind !== undefined && { kind }),
    signal,
    onProgress: ({ file, bytes, bytesTotal, imported }) =>
      shown.say(`${file}: ${size(bytes)} of ${size(bytesTotal)}, ${counted(imported, 'record')} in all`),
  };
  const remote = await remoteOf(options, async () => {
    await using wal = await openOrMake(options);
    return await wal.import(files, { ...how, onProblem: tell });
  });
  if (!(remote instanceof RemoteLog)) return ended(remote, signal);
  // It reads the files itself, and may run in another folder.
  const report = await remote.import(
    files.map((file) => resolve(file)),
    how,
  );
  report.problems.forEach(tell);
  return ended(report, signal);
}

function tell({ file, line, message }: ImportProblem): void {
  note([file, line, ` ${message}`].filter(Boolean).join(':'));
}

function ended(report: ImportReport, signal: AbortSignal): ImportReport {
  if (signal.aborted) {
    throw new Failure(`interrupted after ${counted(report.imported, 'record')}; run it again to go on`);
  }
  return report;
}
