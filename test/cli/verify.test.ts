import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { VerifyReport } from '../../lib/index.js';
import { appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/verify');

it('a sound log is ok; one flipped byte in it is exit code 1, and said where', async () => {
  await withLog(
    async (wal) => {
      await appendNumbers(wal, 'audit', 100);
      await appendNumbers(wal, 'audit', 100);
      // Out of LevelDB's log, where it has a checksum of its own, into a table, where nobody checks it.
      await wal.compact();
    },
    async ({ at, dir }) => {
      const sound = await nvWal(['verify', ...at]);
      assert.equal([sound.code, sound.stdout, sound.stderr], [0, 'ok: 200 records\n', []]);

      // LevelDB packs its tables: only what comes first stands there as it is.
      await flipByteOfTable(join(dir, 'db'), '{"id":"');
      const damaged = await nvWal(['verify', ...at, '--json']);
      assert.is(damaged.code, 1);
      const { ok, problems } = JSON.parse(damaged.stdout) as VerifyReport;
      assert.is(ok, false);
      // LevelDB may end the process over such a table, so no tool opens it: what is named is the file and the place.
      assert.match(problems[0]?.what ?? '', /damaged .*\.ldb/);
      assert.match(damaged.stderr[0]!, /^nv-wal: the log deviates: \d+ problems?$/);
    },
  );
});

it.run();

/** Changes a byte behind some text in one of the tables that hold it. */
async function flipByteOfTable(folder: string, text: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.ldb')) continue;
    const bytes = await readFile(join(folder, name));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at + text.length] = bytes[at + text.length]! ^ 1;
    await writeFile(join(folder, name), bytes);
    return;
  }
  throw new Error(`no table holds ${text}`);
}
