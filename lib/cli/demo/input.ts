// What the demo is given: which files, how many lines, and every record in them, so that it can say afterwards
// which did not arrive. Reads by the three shapes of lines, independently of the import that it checks.

import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImportProblem } from '../../index.js';

export interface Input {
  files: string[];
  /** Lines that hold a record: how many lines of all files there are up to and with each. */
  recordsAt: number[];
  tally: Tally;
  /** Paths that can't be read. */
  problems: ImportProblem[];
}

/** A line above this is left to the import to refuse. */
const LINE_BYTES_MAX = 16 * 1_048_576;
const FILE_NAMES = /\.(ndjson|ldjson|jsonl)$/;

/** Reads files, and the `.ndjson`, `.ldjson` and `.jsonl` files below folders. */
export async function readInput(paths: readonly string[], kind: string): Promise<Input> {
  const input: Input = { files: [], recordsAt: [], tally: new Tally(), problems: [] };
  const contents = new Contents();
  let lines = 0;
  for (const path of paths) {
    try {
      for await (const file of filesBelow(path)) {
        const start = await contents.add(file);
        input.files.push(file);
        for await (const { number, from, text } of linesOf(file)) {
          if (from < start) continue;
          lines++;
          const found = recordOf(text, kind);
          if (!found) continue;
          input.recordsAt.push(lines);
          input.tally.add(found.kind, found.record, `${file}:${number}`);
        }
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      input.problems.push({ file: path, message });
    }
  }
  return input;
}

/** Files by what is in them: an import takes a copy of a file for the same file, and a longer one for its growth. */
class Contents {
  readonly #known = new Map<number, Set<string>>();

  /** Where to begin with a file: behind what is all of an earlier one. In bytes. */
  async add(file: string): Promise<number> {
    const { size } = await stat(file);
    const marks = [...this.#known.keys()].filter((bytes) => bytes <= size).toSorted((a, b) => a - b);
    const hash = createHash('sha256');
    let start = 0;
    let at = 0;
    for (const end of new Set([...marks, size])) {
      if (end > at) {
        const chunks: AsyncIterable<Buffer> = createReadStream(file, { start: at, end: end - 1 });
        for await (const chunk of chunks) hash.update(chunk);
      }
      at = end;
      const digest = hash.copy().digest('base64');
      const known = this.#known.get(end);
      if (known?.has(digest)) start = end;
      if (end === size) this.#known.set(end, (known ?? new Set()).add(digest));
    }
    return start;
  }
}

/** How often each record was put in, and not found again yet. */
export class Tally {
  readonly #records = new Map<string, { kind: string; left: number; place: string }>();
  readonly kinds = new Set<string>();

  add(kind: string, record: object, place: string): void {
    this.kinds.add(kind);
    const digest = digestOf(kind, record);
    const known = this.#records.get(digest);
    if (known) known.left++;
    else this.#records.set(digest, { kind, left: 1, place });
  }

  /** Takes one record out again. False where it was never put in, or not so often. */
  take(kind: string, record: object): boolean {
    const known = this.#records.get(digestOf(kind, record));
    if (!known || known.left === 0) return false;
    known.left--;
    return true;
  }

  /** What was not taken out again: of equal records, with the place of the first. */
  *left(): Iterable<{ kind: string; left: number; place: string }> {
    for (const known of this.#records.values()) if (known.left > 0) yield known;
  }
}

function digestOf(kind: string, record: object): string {
  return createHash('sha256')
    .update(`${kind}\n${JSON.stringify(record)}`)
    .digest('base64');
}

async function* filesBelow(path: string): AsyncGenerator<string> {
  if (!(await stat(path)).isDirectory()) {
    yield path;
    return;
  }
  const entries: Dirent[] = await readdir(path, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.isDirectory() || FILE_NAMES.test(entry.name)) yield* filesBelow(join(path, entry.name));
  }
}

interface Line {
  number: number;
  /** Bytes of the file before it. */
  from: number;
  text: string;
}

/** By `\n` alone: a U+2028 within a line, at which `readline` would cut, is part of its JSON. */
async function* linesOf(file: string): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  let number = 1;
  let from = 0;
  const add = (part: Buffer) => {
    length += part.length;
    if (length <= LINE_BYTES_MAX) parts.push(part);
    else parts = [];
  };
  const take = (): Line => {
    const line = { number, from, text: Buffer.concat(parts).toString('utf8') };
    number++;
    from += length;
    parts = [];
    length = 0;
    return line;
  };
  const chunks: AsyncIterable<Buffer> = createReadStream(file);
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, start)) {
      add(chunk.subarray(start, at + 1));
      start = at + 1;
      yield take();
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

/** The record in a line and its kind; `undefined` where there is none. */
function recordOf(text: string, kind: string): { kind: string; record: object } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const names = Object.keys(parsed).toSorted().join();
  const { kind: own, record, blob } = parsed;
  if (names === 'kind,record' && typeof own === 'string' && isObject(record)) return { kind: own, record };
  if (names === 'appendedAt,blob' && isObject(blob)) return { kind, record: blob };
  return { kind, record: parsed };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
