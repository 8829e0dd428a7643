import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readInput } from '../../../lib/cli/demo/input.js';
import { withFolder } from '../../helpers/folder.js';

const it = suite('cli/demo/input');

async function readFiles(files: Record<string, string | Buffer>) {
  let read: Awaited<ReturnType<typeof readInput>> | undefined;
  await withFolder(async (folder) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    read = await readInput([folder], 'audit');
  });
  return read!;
}

it('knows where the records are, in lines of the whole input', async () => {
  const { recordsAt, files } = await readFiles({
    'a.ndjson': '{"n":1}\n\nnot json\n{"n":2}\n',
    'b.ldjson': '[3]\n{"n":4}',
    'c.txt': '{"n":5}\n',
  });
  assert.equal(recordsAt, [1, 4, 6]);
  assert.is(files.length, 2);
});

it('takes each record out as often as it was put in, whatever its line looked like', async () => {
  const { tally } = await readFiles({
    'a.ndjson': '{"kind":"log","record":{"n":1}}\n{"appendedAt":5,"blob":{"n":2}}\n{ "n" : 2 }\r\n',
  });
  assert.equal(
    [...tally.left()].map(({ kind, left }) => [kind, left]),
    [
      ['log', 1],
      ['audit', 2],
    ],
  );
  assert.is(tally.take('log', { n: 1 }), true);
  assert.is(tally.take('audit', { n: 2 }), true);
  assert.is(tally.take('audit', { n: 2 }), true);
  assert.is(tally.take('audit', { n: 2 }), false);
  assert.is(tally.take('audit', { n: 3 }), false);
  assert.equal([...tally.left()], []);
});

it('a copy of a file is that file, and a longer one is its growth: as the import has it', async () => {
  const { recordsAt, tally } = await readFiles({
    'a.ndjson': '{"n":1}\n{"n":2}\n',
    'b.ndjson': '{"n":1}\n{"n":2}\n',
    'c.ndjson': '{"n":1}\n{"n":2}\n{"n":3}\n',
    'd.ndjson': '{"n":1}\n',
  });
  // The last is shorter than what is known: nothing says that it is not another file.
  assert.equal(recordsAt, [1, 2, 3, 4]);
  for (const n of [1, 1, 2, 3]) assert.is(tally.take('audit', { n }), true, String(n));
  assert.equal([...tally.left()], []);
});

it('lines end at line feeds alone, and may be of any length', async () => {
  const long = 'x'.repeat(200_000);
  const { recordsAt, tally } = await readFiles({
    'a.ndjson': `{"text":"a\u2028b"}\n{"text":"${long}"}\n`,
  });
  assert.equal(recordsAt, [1, 2]);
  assert.is(tally.take('audit', { text: 'a\u2028b' }), true);
  assert.is(tally.take('audit', { text: long }), true);
});

it('what can not be read is named', async () => {
  const { problems, files } = await readInput(['/nowhere/at/all'], 'audit');
  assert.equal(files, []);
  assert.is(problems[0]?.file, '/nowhere/at/all');
});

it.run();
