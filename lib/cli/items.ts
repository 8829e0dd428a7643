// How the commands print records: as NDJSON for programs, as lines for people.

import type { DumpItem } from '../index.js';
import { isScreen, print } from './output.js';
import { prettyLine } from './pretty.js';

/** Characters of lines that are written at once. */
const CHUNK_CHARS = 65_536;

/** Prints items, one after the other. NDJSON wherever stdout is no terminal, so that a pipe needs no `--json`. */
export class ItemPrinter {
  readonly #line: (item: DumpItem) => string;
  #chunk = '';

  constructor(json: boolean | undefined) {
    const { stdout } = process;
    const style = { colours: stdout.isTTY && stdout.hasColors() };
    this.#line =
      json || !isScreen(stdout) ? (item) => JSON.stringify(item) : (item) => prettyLine(item, style);
  }

  async print(item: DumpItem): Promise<void> {
    this.#chunk += `${this.#line(item)}\n`;
    // Awaited: a reader that is slower than the disk must not fill the memory.
    if (this.#chunk.length >= CHUNK_CHARS) await this.flush();
  }

  async flush(): Promise<void> {
    const chunk = this.#chunk;
    this.#chunk = '';
    if (chunk !== '') await print(chunk);
  }
}
