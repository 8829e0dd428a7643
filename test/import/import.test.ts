import { appendFile, copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImportOptions, ImportReport } from '../../lib/import/import.js';
import { LINE_BYTES_MAX } from '../../lib/import/lines.js';
import { withFolder } from '../helpers/folder.js';
import { numbers } from '../helpers/log.js';
import { rejectsWith } from '../helpers/rejection.js';
import { TestSink } from '../helpers/sink.js';
import { readAll, withWal } from '../helpers/wal.js';
import type { AnyWal } from '../helpers/wal.js';

const it = suite('import/import');

interface Bench {
  wal: AnyWal;
  folder: string;
  /** Writes a file and returns its path. */
  file: (name: string, content: string | Buffer) => Promise<string>;
  /** Imports as `log` unless told otherwise; returns `[imported, skipped, failed]`. */
  importAll: (paths: string[], options?: ImportOptions) => Promise<number[]>;
  /** The `n` of every record in the log. */
  stored: (kind?: string) => Promise<unknown[]>;
}

async function withImport(use: (bench: Bench) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await withWal({}, async (wal) => {
      await use({
        wal,
        folder,
        file: async (name, content) => {
          const path = join(folder, name);
          await mkdir(join(path, '..'), { recursive: true });
          await writeFile(path, content);
          return path;
        },
        importAll: async (paths, options = { kind: 'log' }) => countsOf(await wal.import(paths, options)),
        stored: async (kind = 'log') =>
          (await readAll(wal, kind)).map((item) => 'record' in item && item.record['n']),
      });
    });
  });
}

function countsOf({ imported, skipped, failed }: ImportReport): number[] {
  return [imported, skipped, failed];
}

function lines(from: number, to: number): string {
  return numbers(from, to)
    .map((n) => `{"n":${n}}\n`)
    .join('');
}

it('takes the three shapes, each as the kind that it says or that it is asked for', async () => {
  await withImport(async ({ file, wal, stored }) => {
    const adr = await file(
      'adr.ndjson',
      '{"kind":"audit","record":{"n":1}}\n{"kind":"log","record":{"n":2}}\n',
    );
    const gateway = await file('wal-1.ldjson', '{"appendedAt":1760731623450,"blob":{"n":3}}\n');
    const plain = await file('plain.jsonl', '{"n":4}\n');
    assert.equal(countsOf(await wal.import([adr])), [2, 0, 0]);
    const report = await wal.import([gateway, plain], { kind: 'audit' });
    assert.equal(report, { imported: 2, skipped: 0, failed: 0, files: 2, problems: [] });
    assert.equal(await stored('audit'), [1, 3, 4]);
    assert.equal(await stored('log'), [2]);
  });
});

it('a record is shipped as it stood in the file, to the last digit', async () => {
  await withImport(async ({ file, importAll, wal }) => {
    const record = '{"id":12345678901234567890,"cost":0.10,"text":"\\u00e4"}';
    await importAll([await file('a.ndjson', `${record}\n{"kind":"log","record":${record}}\n`)]);
    const sink = new TestSink();
    const shipper = wal.ship('log', sink);
    await shipper.idle();
    assert.is(
      sink.sent
        .map(({ text }) => text)
        .join('')
        .split(`"record":${record}}\n`).length,
      3,
    );
  });
});

it('importing twice imports nothing twice', async () => {
  await withImport(async ({ file, importAll, stored }) => {
    const paths = [await file('a.ndjson', lines(1, 1200)), await file('b.ndjson', lines(2001, 2003))];
    assert.equal(await importAll(paths), [1203, 0, 0]);
    assert.equal(await importAll(paths), [0, 1203, 0]);
    assert.equal(await stored(), [...numbers(1, 1200), 2001, 2002, 2003]);
  });
});

it('a file that has grown is gone on with, also under another name', async () => {
  await withImport(async ({ file, importAll, stored, folder }) => {
    const path = await file('a.ndjson', lines(1, 3));
    await importAll([path]);
    await appendFile(path, lines(4, 5));
    assert.equal(await importAll([path]), [2, 3, 0]);
    const renamed = join(folder, 'a.1.ndjson');
    await rename(path, renamed);
    await appendFile(renamed, lines(6, 6));
    assert.equal(await importAll([renamed]), [1, 5, 0]);
    assert.equal(await stored(), numbers(1, 6));
  });
});

it('a copy is known, and stays known when the file has grown', async () => {
  await withImport(async ({ file, importAll, stored, folder }) => {
    const path = await file('b.ndjson', lines(1, 10));
    await copyFile(path, join(folder, 'a.ndjson'));
    assert.equal(await importAll([folder]), [10, 10, 0]);
    await appendFile(path, lines(11, 15));
    await copyFile(path, join(folder, 'a.2.ndjson'));
    await appendFile(path, lines(16, 20));
    assert.equal(await importAll([folder]), [10, 10 + 10 + 15, 0]);
    assert.equal(await importAll([folder]), [0, 10 + 20 + 15, 0]);
    assert.equal(await stored(), numbers(1, 20));
  });
});

it('files that begin alike and go on otherwise are files of their own', async () => {
  await withImport(async ({ file, importAll, stored }) => {
    const header = '{"n":"header"}\n';
    const paths = [
      await file('a.ndjson', header + lines(1, 3)),
      await file('b.ndjson', header + lines(7, 9)),
    ];
    assert.equal(await importAll(paths), [8, 0, 0]);
    assert.equal(await importAll(paths), [0, 8, 0]);
    await appendFile(paths[0]!, lines(4, 4));
    assert.equal(await importAll(paths), [1, 8, 0]);
    assert.equal(await stored(), ['header', 1, 2, 3, 'header', 7, 8, 9, 4]);
  });
});

it('a file that was imported and is written anew is imported anew', async () => {
  await withImport(async ({ file, importAll }) => {
    await importAll([await file('a.ndjson', lines(1, 5))]);
    assert.equal(await importAll([await file('a.ndjson', lines(1, 2) + lines(6, 7))]), [4, 0, 0]);
  });
});

it('a last line that is cut off is told, and looked at again when there is more of it', async () => {
  await withImport(async ({ file, importAll, stored, wal }) => {
    const path = await file('a.ndjson', `${lines(1, 2)}{"n":`);
    const report = await wal.import([path], { kind: 'log' });
    assert.equal(countsOf(report), [2, 0, 1]);
    assert.equal([report.problems[0]?.file, report.problems[0]?.line], [path, 3]);
    await appendFile(path, '3}\n{"n":4}\n');
    assert.equal(await importAll([path]), [2, 2, 0]);
    assert.equal(await stored(), numbers(1, 4));
  });
});

it('a last line that is whole without its end is taken, and not again when the end comes', async () => {
  await withImport(async ({ file, importAll, stored, wal }) => {
    const path = await file('a.ndjson', '{"n":1}\n{"n":2}');
    assert.equal(await importAll([path]), [2, 0, 0]);
    await appendFile(path, '\n{"n":3}\nbad\n');
    const report = await wal.import([path], { kind: 'log' });
    assert.equal(countsOf(report), [1, 2, 1]);
    assert.is(report.problems[0]?.line, 4);
    assert.equal(await stored(), [1, 2, 3]);
  });
});

it('what it can not read is named by file and line, and the rest is taken', async () => {
  await withImport(async ({ file, wal, stored }) => {
    const content = Buffer.concat([
      Buffer.from('\uFEFF{"n":1}\r\n'),
      Buffer.from('\n  \t\r\n'),
      Buffer.from('{"n":2}\r\nnot json\r\n[1]\n'),
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d, 0x0a]),
      Buffer.from('{"kind":"bills","record":{}}\n'),
      Buffer.from(`{"text":"${'x'.repeat(1_048_576)}"}\n`),
      Buffer.from(`${' '.repeat(LINE_BYTES_MAX + 1)}\n`),
      Buffer.from('\uFEFF{"n":3}\n'),
      Buffer.from('{"n":4}\n'),
    ]);
    const path = await file('mixed.ndjson', content);
    const told: unknown[] = [];
    const report = await wal.import([path], { kind: 'log', onProblem: (problem) => void told.push(problem) });
    assert.equal(countsOf(report), [3, 0, 7]);
    assert.equal(told, report.problems);
    const says: [line: number, what: RegExp][] = [
      [5, /not JSON/],
      [6, /not a JSON object/],
      [7, /not UTF-8/],
      [8, /no stream 'bills'/],
      [9, /at most 1048576 \(maxRecordBytes\)/],
      [10, /a line of more than 8388608 bytes/],
      [11, /not JSON/],
    ];
    for (const [n, [line, what]] of says.entries()) {
      assert.equal([report.problems[n]?.file, report.problems[n]?.line], [path, line]);
      assert.match(report.problems[n]!.message, what);
    }
    assert.equal(await stored(), [1, 2, 4]);
    assert.equal(countsOf(await wal.import([path], { kind: 'log' })), [0, 3, 0]);
  });
});

it('a file that can not be read is named, and the others are taken', async () => {
  await withImport(async ({ file, wal, folder }) => {
    const missing = join(folder, 'missing.ndjson');
    const report = await wal.import([missing, await file('a.ndjson', lines(1, 1))], { kind: 'log' });
    assert.equal(countsOf(report), [1, 0, 1]);
    assert.is(report.problems[0]?.file, missing);
    assert.not('line' in report.problems[0]!);
    assert.match(report.problems[0]!.message, 'ENOENT');
  });
});

it('a folder stands for the files below it that are named so, in the order of their names', async () => {
  await withImport(async ({ file, wal, folder, stored }) => {
    await file('b/2.ldjson', lines(2, 2));
    await file('b/1.jsonl', lines(1, 1));
    await file('c.ndjson', lines(3, 3));
    await file('c.ndjson.gz', 'no');
    await file('readme.txt', 'no');
    await mkdir(join(folder, 'empty'));
    const report = await wal.import([folder], { kind: 'log' });
    assert.equal(report, { imported: 3, skipped: 0, failed: 0, files: 3, problems: [] });
    assert.equal(await stored(), [1, 2, 3]);
    // A file that is named is taken, whatever it is called.
    assert.equal(
      countsOf(await wal.import([await file('any.txt', lines(4, 4))], { kind: 'log' })),
      [1, 0, 0],
    );
  });
});

it('an empty file, and one of blank lines, hold nothing', async () => {
  await withImport(async ({ file, importAll }) => {
    const paths = [await file('a.ndjson', ''), await file('b.ndjson', '\n\n \n')];
    assert.equal(await importAll(paths), [0, 0, 0]);
    assert.equal(await importAll(paths), [0, 0, 0]);
  });
});

it('progress is told line by line, in bytes of the file', async () => {
  await withImport(async ({ file, wal }) => {
    const path = await file('a.ndjson', lines(1, 3));
    const told: unknown[] = [];
    await wal.import([path], {
      kind: 'log',
      onProgress: ({ file: name, bytes, bytesTotal }) => void told.push([name, bytes, bytesTotal]),
    });
    assert.equal(
      told,
      [8, 16, 24].map((bytes) => [path, bytes, 24]),
    );
  });
});

it('no more than 1,000 problems are kept, and all are counted', async () => {
  await withImport(async ({ file, wal }) => {
    const path = await file('a.ndjson', 'bad\n'.repeat(1500));
    const { failed, problems } = await wal.import([path], { kind: 'log' });
    assert.equal([failed, problems.length], [1500, 1000]);
  });
});

it('a kind that is asked for and unknown is refused before anything is read', async () => {
  await withImport(async ({ file, wal }) => {
    const path = await file('a.ndjson', lines(1, 1));
    await rejectsWith(wal.import([path], { kind: 'bills' }), 'WAL_UNKNOWN_KIND', 'bills');
  });
});

it('two imports of one file at the same time take it once', async () => {
  await withImport(async ({ file, importAll, stored }) => {
    const path = await file('a.ndjson', lines(1, 2000));
    const [one, two] = await Promise.all([importAll([path]), importAll([path])]);
    assert.equal(one, [2000, 0, 0]);
    assert.equal(two, [0, 2000, 0]);
    assert.equal(await stored(), numbers(1, 2000));
  });
});

it.run();
