// `nv-wal export`: the log as NDJSON files, and at the next call what came since.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { DumpItem } from '../index.js';
import { Failure, UsageError } from './errors.js';
import type { ExportFile } from './export-folder.js';
import { ExportFolder } from './export-folder.js';
import { interruptible } from './interrupt.js';
import type { JsonOption, LogAddress } from './options.js';
import { addCommand, addLogOptions, kindOption, parseInteger, parseSize } from './options.js';
import type { Progress } from './output.js';
import { counted, printResult, progress } from './output.js';
import { reachLog } from './reach.js';

interface ExportOptions extends LogAddress, JsonOption {
  kind?: string;
  from?: number;
  to?: number;
  fileSize: number;
}

interface ExportReport {
  /** Records that are in the files now and were not before. */
  exported: number;
  /** Files that were written. */
  files: number;
}

const HELP = `Writes files <kind>-<first seq>.ndjson of the lines that 'dump --json' prints, which 'import' takes. Running it
again goes on behind what is there, also after it was interrupted or killed: a file that has its name is whole, and
nothing is there twice. --from is for the first time. What is delivered and deleted before it is exported is not in it
('keepDeliveredBytes' holds it back); what was dropped is there as a notice. One folder is for one log.

Example:
  nv-wal export /backup/gateway --service gateway`;

const FILE_SIZE = '64MB';
/** Characters of lines that are written at once. */
const CHUNK_CHARS = 65_536;

export function addExport(program: Command): void {
  const command = addCommand(program, 'export', 'write the log to NDJSON files, only what is new', HELP);
  command.argument('<dir>', 'the folder for the files; made where there is none');
  addLogOptions(command)
    .addOption(kindOption('only this stream'))
    .option('--from <seq>', 'the first seq, where nothing is exported yet', parseInteger(1))
    .option('--to <seq>', 'the last seq', parseInteger(1))
    .addOption(
      new Option('--file-size <size>', 'begin a new file when one has so much')
        .argParser(parseSize)
        .default(parseSize(FILE_SIZE), FILE_SIZE),
    )
    .action(async (dir: string, options: ExportOptions) => {
      const { from = 1, to = Infinity } = options;
      if (to < from) throw new UsageError(`expected --to (${to}) to be at or after --from (${from})`);
      const report = await interruptible((signal) => exportLog(resolve(dir), options, signal));
      const { exported, files } = report;
      const text = `exported ${counted(exported, 'record')} to ${counted(files, 'new file')}`;
      await printResult(options.json, report, text);
    });
}

async function exportLog(dir: string, options: ExportOptions, signal: AbortSignal): Promise<ExportReport> {
  await using wal = await reachLog(options);
  const { streams, ...log } = await wal.stats();
  const { kind: only } = options;
  // Asked for its refusal of an unknown kind alone, before a folder is made for it.
  if (only !== undefined) for await (const _ of wal.dump({ kind: only, limit: 1 })) break;
  const folder = await ExportFolder.open(dir, log);
  const report: ExportReport = { exported: 0, files: 0 };
  using shown = progress('exporting');
  for (const [kind, { lastSeq }] of Object.entries(streams).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (only !== undefined && kind !== only) continue;
    const there = await folder.lastSeq(kind);
    if (there > lastSeq) {
      throw new Failure(
        `${dir} has '${kind}' up to ${there}, but the log ends at ${lastSeq}: it was restored; export it to a new folder`,
      );
    }
    const from = Math.max(options.from ?? 1, there + 1);
    const to = Math.min(options.to ?? lastSeq, lastSeq);
    if (from > to) continue;
    await new StreamExport(folder, kind, options.fileSize, report, shown).run(
      wal.dump({ kind, from, to }),
      signal,
    );
  }
  return report;
}

/** One stream into as many files as it takes. */
class StreamExport {
  readonly #folder: ExportFolder;
  readonly #kind: string;
  readonly #fileBytesMax: number;
  readonly #report: ExportReport;
  readonly #shown: Progress;
  #file: ExportFile | undefined;
  #chunk = '';
  /** Records in the file that is being written. */
  #records = 0;

  constructor(
    folder: ExportFolder,
    kind: string,
    fileBytesMax: number,
    report: ExportReport,
    shown: Progress,
  ) {
    this.#folder = folder;
    this.#kind = kind;
    this.#fileBytesMax = fileBytesMax;
    this.#report = report;
    this.#shown = shown;
  }

  async run(items: AsyncIterable<DumpItem>, signal: AbortSignal): Promise<void> {
    try {
      for await (const item of items) {
        if (signal.aborted) throw this.#interrupted();
        await this.#add(item);
      }
      await this.#finish();
    } finally {
      // Only where something failed: what is not whole is written again next time.
      await this.#file?.discard();
    }
  }

  async #add(item: DumpItem): Promise<void> {
    this.#file ??= await this.#folder.begin(this.#kind, 'gap' in item ? item.gap.from : item.seq);
    this.#chunk += `${JSON.stringify(item)}\n`;
    if ('record' in item) this.#records++;
    if (this.#file.bytes + this.#chunk.length >= this.#fileBytesMax) await this.#finish();
    else if (this.#chunk.length >= CHUNK_CHARS) await this.#flush(this.#file);
  }

  async #flush(file: ExportFile): Promise<void> {
    const chunk = this.#chunk;
    this.#chunk = '';
    await file.write(chunk);
    this.#shown.say(`exporting ${this.#kind}: ${counted(this.#report.exported + this.#records, 'record')}`);
  }

  async #finish(): Promise<void> {
    const file = this.#file;
    if (!file) return;
    await this.#flush(file);
    await file.finish();
    this.#file = undefined;
    this.#report.files++;
    this.#report.exported += this.#records;
    this.#records = 0;
  }

  #interrupted(): Failure {
    const { exported } = this.#report;
    return new Failure(`interrupted after ${counted(exported, 'record')}; run it again to go on`);
  }
}
