// The imports of one log, one at a time: two of one file would both find it not imported yet.

import type { ImportOptions, ImportReport, ImportTarget } from './import.js';
import { importFiles } from './import.js';

export class Importer {
  readonly #into: ImportTarget;
  #last: Promise<void> = Promise.resolve();

  constructor(into: ImportTarget) {
    this.#into = into;
  }

  /** See `Wal.import`. */
  async import(paths: readonly string[], options: ImportOptions): Promise<ImportReport> {
    const run = this.#last.then(() => importFiles(this.#into, paths, options));
    this.#last = run.then(
      () => {},
      () => {},
    );
    return await run;
  }
}
