// The folder that a log is exported to. What is complete there says how far the export is: files are written under
// another name, fsynced, and renamed; so a file that has its name is whole, and the next one begins behind it.

import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure, isCode } from './errors.js';

/** Of which log the folder has records: seqs of two logs must not continue each other. */
const OWNER_FILE = 'export.json';
const FILE_NAME = /^([a-z][a-z0-9_-]{0,31})-(\d{16})\.ndjson$/;
const UNFINISHED_NAME = /\.(\d+)\.part$/;
/** Bytes that are read at once to find a file's last line. */
const TAIL_BYTES = 65_536;
/** A record of 1 MiB, escaped at its widest, is shorter. */
const LAST_LINE_BYTES_MAX = 16 * 1_048_576;

export interface ExportedLog {
  readonly service: string;
  readonly instance: string;
  readonly logId: string;
}

export class ExportFolder {
  readonly #dir: string;
  /** By kind, the last file of each. */
  readonly #last: ReadonlyMap<string, string>;

  private constructor(dir: string, last: ReadonlyMap<string, string>) {
    this.#dir = dir;
    this.#last = last;
  }

  /**
   * Takes a folder for a log's export, and makes it where there is none. What a run that was killed left unfinished goes.
   *
   * @throws {Failure} Another log's, or another process writes to it.
   */
  static async open(dir: string, log: ExportedLog): Promise<ExportFolder> {
    await makeFolder(dir);
    const last = new Map<string, string>();
    for (const name of (await readdir(dir)).toSorted()) {
      const kind = FILE_NAME.exec(name)?.[1];
      if (kind !== undefined) last.set(kind, name);
      const pid = UNFINISHED_NAME.exec(name)?.[1];
      if (pid === undefined) continue;
      if (isAlive(Number(pid))) {
        throw new Failure(`process ${pid} exports to ${dir}; if that is not so, remove ${join(dir, name)}`);
      }
      await rm(join(dir, name), { force: true });
    }
    await claim(dir, log, last.size > 0);
    return new ExportFolder(dir, last);
  }

  /** The last seq of a kind that is there; 0 where none is. */
  async lastSeq(kind: string): Promise<number> {
    const name = this.#last.get(kind);
    if (name === undefined) return 0;
    const path = join(this.#dir, name);
    const line: unknown = parsed(await lastLineOf(path));
    if (typeof line === 'object' && line !== null && 'seq' in line && Number.isSafeInteger(line.seq)) {
      return line.seq as number;
    }
    throw new Failure(`${path} does not end in a whole line; remove it, and its records are exported again`);
  }

  /** Begins a file whose first line is that of `seq`. */
  async begin(kind: string, seq: number): Promise<ExportFile> {
    return await ExportFile.begin(this.#dir, `${kind}-${String(seq).padStart(16, '0')}.ndjson`);
  }
}

/**
 * Makes a folder and those above it that are missing, one by one: where the system says that one is not there whose
 * parent is, as below /proc, Node's own recursive way never ends.
 *
 * @throws {Failure}
 */
async function makeFolder(dir: string): Promise<void> {
  try {
    // Records are nobody else's to read.
    await mkdir(dir, { mode: 0o700 });
  } catch (error) {
    if (isCode(error, 'EEXIST')) {
      if ((await stat(dir)).isDirectory()) return;
      throw new Failure(`can't export to ${dir}: it is no folder`);
    }
    const parent = dirname(dir);
    const isMissing = isCode(error, 'ENOENT') && !(await isThere(parent));
    if (!isMissing)
      throw new Failure(`can't export to ${dir}: ${error instanceof Error ? error.message : String(error)}`);
    await makeFolder(parent);
    await makeFolder(dir);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

export class ExportFile {
  readonly #dir: string;
  readonly #name: string;
  readonly #file: FileHandle;
  bytes = 0;

  private constructor(dir: string, name: string, file: FileHandle) {
    this.#dir = dir;
    this.#name = name;
    this.#file = file;
  }

  static async begin(dir: string, name: string): Promise<ExportFile> {
    return new ExportFile(dir, name, await open(partOf(dir, name), 'w', 0o600));
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await this.#file.writeFile(bytes);
    this.bytes += bytes.length;
  }

  /** Gives the file its name, once everything of it is on disk. */
  async finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await rename(partOf(this.#dir, this.#name), join(this.#dir, this.#name));
    await syncFolder(this.#dir);
  }

  async discard(): Promise<void> {
    await this.#file.close();
    await rm(partOf(this.#dir, this.#name), { force: true });
  }
}

function partOf(dir: string, name: string): string {
  return join(dir, `${name}.${process.pid}.part`);
}

async function claim(dir: string, { service, instance, logId }: ExportedLog, isUsed: boolean): Promise<void> {
  const path = join(dir, OWNER_FILE);
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found === undefined) {
    if (isUsed) throw new Failure(`${dir} has NDJSON files, but no ${OWNER_FILE} that says of which log`);
    const part = partOf(dir, OWNER_FILE);
    const text = `${JSON.stringify({ service, instance, logId })}\n`;
    await writeFile(part, text, { mode: 0o600, flush: true });
    await rename(part, path);
    await syncFolder(dir);
    return;
  }
  const owner = parsed(found) as Partial<ExportedLog> | undefined;
  if (owner?.logId === logId) return;
  throw new Failure(
    `${dir} has the export of another log (${owner?.service}/${owner?.instance}, log ${owner?.logId}); take a folder of its own`,
  );
}

/** Of a file that ends in a `\n`; undefined where it does not, or has a last line that no record makes. */
async function lastLineOf(path: string): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let length = TAIL_BYTES; ; length *= 4) {
      const start = Math.max(0, size - length);
      const tail = Buffer.alloc(size - start);
      await file.read(tail, 0, tail.length, start);
      if (tail.at(-1) !== 0x0a) return undefined;
      const before = tail.lastIndexOf(0x0a, -2);
      if (before >= 0 || start === 0) return tail.subarray(before + 1, -1).toString();
      if (length >= LAST_LINE_BYTES_MAX) return undefined;
    }
  } finally {
    await file.close();
  }
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, 'EPERM');
  }
}
