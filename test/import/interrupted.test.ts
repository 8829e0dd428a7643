// An import that is ended in the midst of its files. The place where it goes on is known by a digest of all
// before it, so one line more in the digest than in the log would make it begin again.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal } from '../../lib/index.js';
import { withFolder } from '../helpers/folder.js';

const it = suite('import/interrupted');
const FILES = 3;
const LINES = 6;

it('an import that is ended after any line goes on behind it, and takes no line twice', async () => {
  await withFolder(async (varDir) => {
    const files: string[] = [];
    for (let file = 0; file < FILES; file++) {
      const lines = Array.from({ length: LINES }, (_, n) => `${JSON.stringify({ file, n })}\n`);
      files.push(join(varDir, `${file}.ndjson`));
      await writeFile(files[file]!, lines.join(''));
    }
    await using wal = await Wal.open<Record<string, object>>({ service: 'test', varDir, reserveBytes: 0 });
    let taken = 0;
    for (let upTo = 1; upTo <= FILES * LINES; upTo++) {
      const end = new AbortController();
      const { imported } = await wal.import(files, {
        kind: 'audit',
        signal: end.signal,
        onProgress: () => {
          if (++taken === upTo) end.abort();
        },
      });
      assert.is(imported, 1);
    }
    const { imported, skipped } = await wal.import(files, { kind: 'audit' });
    assert.equal([imported, skipped], [0, FILES * LINES]);
    assert.is(wal.stats().streams['audit']?.lastSeq, FILES * LINES);
  });
});

it.run();
