import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LINE_BYTES_MAX, linesFrom } from '../../lib/import/lines.js';
import { withFolder } from '../helpers/folder.js';

const it = suite('import/lines');

interface Read {
  text: string | undefined;
  number: number;
  end: number;
  complete: boolean;
  sha256: string;
}

async function read(path: string, start = 0, firstNumber = 1): Promise<Read[]> {
  const hash = createHash('sha256').update((await readFile(path)).subarray(0, start));
  const lines: Read[] = [];
  for await (const line of linesFrom(path, start, firstNumber, hash)) {
    const { bytes, number, end, complete } = line;
    lines.push({ text: bytes?.toString(), number, end, complete, sha256: line.hash.copy().digest('hex') });
  }
  return lines;
}

async function withFile(content: string | Buffer, use: (path: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, 'file.ndjson');
    await writeFile(path, content);
    await use(path);
  });
}

it('lines come with their numbers and ends; a last one without an end is not complete', async () => {
  await withFile('one\n\ntwo ä\r\nthree', async (path) => {
    assert.equal(
      (await read(path)).map(({ text, number, end, complete }) => [text, number, end, complete]),
      [
        ['one', 1, 4, true],
        ['', 2, 5, true],
        ['two ä\r', 3, 13, true],
        ['three', 4, 18, false],
      ],
    );
  });
});

it('an empty file has no lines', async () => {
  await withFile('', async (path) => assert.equal(await read(path), []));
});

it('each line’s digest is that of the file up to its end', async () => {
  await withFile('one\ntwo\nthree\nfour', async (path) => {
    const content = await readFile(path);
    for (const { end, sha256 } of await read(path)) {
      assert.is(sha256, createHash('sha256').update(content.subarray(0, end)).digest('hex'));
    }
  });
});

it('the digest of the last complete line does not hold what comes behind it', async () => {
  await withFile('one\ntwo\nthr', async (path) => {
    const hash = createHash('sha256');
    let last = hash;
    for await (const line of linesFrom(path, 0, 1, hash)) if (line.complete) last = line.hash;
    assert.is(last.digest('hex'), createHash('sha256').update('one\ntwo\n').digest('hex'));
  });
});

it('reading from any line on gives the rest, with the same numbers, ends and digests', async () => {
  const texts = fc.array(
    fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\n', '')),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(texts, fc.boolean(), async (lines, ended) => {
      await withFile(lines.join('\n') + (ended && lines.length > 0 ? '\n' : ''), async (path) => {
        const all = await read(path);
        for (const [n, line] of all.entries()) {
          assert.equal(await read(path, line.end, line.number + 1), all.slice(n + 1));
        }
      });
    }),
    { numRuns: 25 },
  );
});

it('lines longer than a chunk of the file are whole', async () => {
  const long = 'x'.repeat(700_000);
  await withFile(`${long}\n${long}y\nz\n`, async (path) => {
    const lines = await read(path);
    assert.equal(
      lines.map(({ text }) => text?.length),
      [700_000, 700_001, 1],
    );
    assert.is(lines[1]?.text?.at(-1), 'y');
  });
});

it('a line that is too long comes without its bytes, and the next one as it is', async () => {
  const content = Buffer.alloc(LINE_BYTES_MAX * 2 + 10, 'x');
  content[LINE_BYTES_MAX] = 0x0a;
  content[content.length - 3] = 0x0a;
  await withFile(content, async (path) => {
    const lines = await read(path);
    assert.equal(
      lines.map(({ text, number, complete }) => [text?.length, number, complete]),
      [
        [LINE_BYTES_MAX, 1, true],
        [undefined, 2, true],
        [2, 3, false],
      ],
    );
    assert.is(lines[2]?.sha256, createHash('sha256').update(content).digest('hex'));
  });
});

it.run();
