// NDJSON files into the log, each line once. Goes on behind lines that it can't read, and names them.

import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { WalError, messageOf } from '../errors.js';
import type { StreamConfig } from '../config.js';
import type { Log } from '../log/log.js';
import type { Draft } from '../log/state.js';
import type { Progress } from './checkpoint.js';
import { checkpoint, resume } from './checkpoint.js';
import type { ImportedLine } from './line.js';
import { importLine } from './line.js';
import type { Line } from './lines.js';
import { LINE_BYTES_MAX, linesFrom } from './lines.js';

export interface ImportOptions {
  /** The kind of lines that don't say theirs. */
  kind?: string;
  /** Ends the import behind the last line that was taken; what was imported stays. */
  signal?: AbortSignal;
  onProgress?: (progress: ImportProgress) => void;
  onProblem?: (problem: ImportProblem) => void;
}

export interface ImportProgress {
  file: string;
  bytes: number;
  bytesTotal: number;
  /** Records in all. */
  imported: number;
}

export interface ImportProblem {
  file: string;
  /** Counted from 1; absent where the whole file can't be read. */
  line?: number;
  message: string;
}

export interface ImportReport {
  /** Records that are in the log now and were not before. */
  imported: number;
  /** Records that an earlier import took. */
  skipped: number;
  /** Lines, and files, that could not be read. */
  failed: number;
  /** Files looked at. */
  files: number;
  /** The first 1,000 of what failed. */
  problems: ImportProblem[];
}

/** The log that files are imported into. */
export interface ImportTarget {
  readonly log: Log;
  /** The policy of a kind; throws for an unknown one. */
  readonly policyOf: (kind: string) => Readonly<StreamConfig>;
  /** Throws where a stream takes no more. */
  readonly checkRoom: (kind: string, bytes: number) => void;
}

const PROBLEMS_MAX = 1000;
/** Records that are appended together, and their bytes. */
const GROUP_RECORDS_MAX = 500;
const GROUP_BYTES_MAX = 1_048_576;
/** Groups on their way to the disk at most. */
const IN_FLIGHT_MAX = 8;
/** Files that a folder stands for. */
const FILE_NAMES = /\.(ndjson|ldjson|jsonl)$/;

/**
 * Appends what files hold. Folders stand for the `.ndjson`, `.ldjson` and `.jsonl` files below them.
 *
 * @throws {WalError} `WAL_FULL`, `WAL_IO`, `WAL_CLOSED`: what was taken before stays, and the next import goes on
 *   behind it. What can't be read is in the report instead.
 */
export async function importFiles(
  into: ImportTarget,
  paths: readonly string[],
  options: ImportOptions,
): Promise<ImportReport> {
  if (options.kind !== undefined) into.policyOf(options.kind);
  const report: ImportReport = { imported: 0, skipped: 0, failed: 0, files: 0, problems: [] };
  const problem = (found: ImportProblem) => {
    report.failed++;
    if (report.problems.length < PROBLEMS_MAX) report.problems.push(found);
    options.onProblem?.(found);
  };
  for await (const file of filesBelow(paths, problem)) {
    if (options.signal?.aborted) break;
    report.files++;
    try {
      await new FileImport(into, file, options, report, problem).run();
    } catch (error) {
      if (error instanceof WalError) throw error;
      problem({ file, message: messageOf(error) });
    }
  }
  return report;
}

async function* filesBelow(
  paths: readonly string[],
  problem: (found: ImportProblem) => void,
): AsyncGenerator<string> {
  for (const path of paths) {
    let entries: Dirent[];
    try {
      if ((await stat(path)).isDirectory()) entries = await readdir(path, { withFileTypes: true });
      else {
        yield path;
        continue;
      }
    } catch (error) {
      problem({ file: path, message: messageOf(error) });
      continue;
    }
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const below = entries.filter((entry) => entry.isDirectory() || FILE_NAMES.test(entry.name));
    yield* filesBelow(
      below.map((entry) => join(path, entry.name)),
      problem,
    );
  }
}

/** One file, from where it was left to its end. */
class FileImport {
  readonly #into: ImportTarget;
  readonly #file: string;
  readonly #options: ImportOptions;
  readonly #report: ImportReport;
  readonly #problem: (found: ImportProblem) => void;
  /** Groups on their way to the disk, oldest first. */
  readonly #inFlight: Promise<unknown>[] = [];
  /** By kind: records that are not on their way yet. */
  #group = new Map<string, string[]>();
  #groupRecords = 0;
  #groupBytes = 0;
  /** Groups that were sent off. */
  #groups = 0;
  /** The first one that was not taken: none behind it may be. */
  #refused: { readonly group: number; readonly error: Error } | undefined;

  constructor(
    into: ImportTarget,
    file: string,
    options: ImportOptions,
    report: ImportReport,
    problem: (found: ImportProblem) => void,
  ) {
    this.#into = into;
    this.#file = file;
    this.#options = options;
    this.#report = report;
    this.#problem = problem;
  }

  async run(): Promise<void> {
    const { signal, onProgress } = this.#options;
    const bytesTotal = (await stat(this.#file)).size;
    const progress = await resume(this.#into.log.store, this.#file);
    const start = progress.bytes;
    this.#report.skipped += progress.imported;
    try {
      for await (const line of linesFrom(this.#file, start, progress.lines + 1, progress.hash)) {
        const taken = this.#take(line, progress);
        if (!taken) break;
        if (this.#groupRecords >= GROUP_RECORDS_MAX || this.#groupBytes >= GROUP_BYTES_MAX) {
          await this.#append(progress);
        }
        onProgress?.({ file: this.#file, bytes: line.end, bytesTotal, imported: this.#report.imported });
        // Not before the next line is taken: asking for it moves the digest that the checkpoint is to hold.
        if (signal?.aborted) break;
      }
      if (progress.bytes > start) await this.#append(progress);
      await Promise.all(this.#inFlight);
    } finally {
      // Also where one failed: none may still be counted when the report is out.
      await Promise.allSettled(this.#inFlight);
    }
  }

  /** Takes a line into the group; false for a last one that is cut off: it is looked at again next time. */
  #take(line: Line, progress: Progress): boolean {
    const imported = this.#parse(line);
    if (imported === undefined && !line.complete) return false;
    if (imported) {
      const records = this.#group.get(imported.kind) ?? [];
      records.push(imported.json);
      this.#group.set(imported.kind, records);
      this.#groupRecords++;
      this.#groupBytes += Buffer.byteLength(imported.json);
    }
    progress.bytes = line.end;
    // What comes behind an end without a `\n` is still this line.
    progress.lines = line.complete ? line.number : line.number - 1;
    progress.hash = line.hash;
    return true;
  }

  #parse({ bytes, number }: Line): ImportedLine | undefined {
    try {
      if (bytes === undefined) throw new Error(`a line of more than ${LINE_BYTES_MAX} bytes`);
      const text = decode(bytes, number);
      if (text.trim() === '') return undefined;
      return importLine(text, this.#options.kind, this.#into.policyOf);
    } catch (error) {
      // A log that is closed is no problem of the line's.
      if (error instanceof WalError && error.code === 'WAL_CLOSED') throw error;
      this.#problem({ file: this.#file, line: number, message: messageOf(error) });
      return undefined;
    }
  }

  /** Sends the group off, with the place up to which the file is taken then, in one commit. */
  async #append(progress: Progress): Promise<void> {
    const { log, checkRoom } = this.#into;
    const records = this.#groupRecords;
    for (const kind of this.#group.keys()) checkRoom(kind, this.#groupBytes);
    progress.imported += records;
    const appends = [...this.#group].map(([kind, lines]) => ({ kind, records: lines }));
    const place = checkpoint(progress);
    const group = ++this.#groups;
    const also = (draft: Draft) => {
      // Its checkpoint would cover what was refused before it, and nobody would look at that again.
      if (this.#refused && this.#refused.group < group) throw this.#refused.error;
      place(draft);
    };
    const appended = log.append(appends, this.#groupBytes, 0, also).then(() => {
      this.#report.imported += records;
    });
    this.#group = new Map();
    this.#groupRecords = 0;
    this.#groupBytes = 0;
    this.#inFlight.push(appended);
    // Counted as settled in `run`; until then a failure must not be an unhandled one.
    appended.catch((error: Error) => (this.#refused ??= { group, error }));
    if (this.#inFlight.length >= IN_FLIGHT_MAX) await this.#inFlight.shift();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A line's text; a byte order mark at the beginning of a file is none of it. */
function decode(bytes: Buffer, number: number): string {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new Error('not UTF-8', { cause });
  }
  return number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text;
}
