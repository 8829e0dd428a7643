// What `--json` prints is what the README's table says, and no field more.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalStats } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import type { MadeLog } from './nv-wal.js';
import { appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/json');

it('the fields of every command are those in the README', async () => {
  const fields = await documented();
  const fill = async (wal: Parameters<typeof appendNumbers>[0]) => {
    await appendNumbers(wal, 'log', 3);
    await wal.evict({ kind: 'log', maxBytes: 0 });
    await appendNumbers(wal, 'audit', 2);
  };
  const work = async ({ at, varDir, dir }: MadeLog) => {
    const print = async (...args: string[]): Promise<object> => {
      const { stdout } = await nvWal([...args, '--json', ...at]);
      const [line, ...others] = stdout.trimEnd().split('\n');
      assert.equal(others, [], args.join(' '));
      return JSON.parse(line!) as object;
    };
    const check = (of: string, value: object) => {
      const names = Object.keys(value);
      const { always, sometimes } = fields(of);
      const missing = always.filter((name) => !names.includes(name));
      const unknown = names.filter((name) => !always.includes(name) && !sometimes.includes(name));
      assert.equal([of, missing, unknown], [of, [], []]);
    };
    const wal = await Wal.openFolder(dir);
    const asked = await Promise.allSettled([
      print('stats').then((stats) => {
        const stream = (stats as WalStats).streams['audit']!;
        check('stats', stats);
        check('a stream of it', stream);
        check('a shipper of that', stream.shippers['default']!);
      }),
      print('dump', '--kind', 'audit', '--limit', '1').then((record) => check('dump', record)),
      print('tail', '--kind', 'log', '--lines', '1').then((notice) => check('a notice of these', notice)),
      print('export', join(varDir, 'exported')).then((report) => check('export', report)),
      print('verify').then((report) => check('verify', report)),
      print('compact').then((report) => check('compact', report)),
      print('evict', '--max-age', '7d').then((report) => check('evict', report)),
      print('forget', '--kind', 'log', '--shipper', 'siem').then((report) => check('forget', report)),
    ]);
    await wal.close();
    for (const one of asked) if (one.status === 'rejected') throw one.reason;
    const file = join(varDir, 'some.ndjson');
    await writeFile(file, '{"kind":"audit","record":{}}\n');
    check('import', await print('import', file));
    check('migrate', await print('migrate'));
  };
  // One cursor to be forgotten, and one that the notice waits for.
  await withLog(fill, work, { streams: { log: { shippers: ['default', 'siem'] } } });
});

it('a failure is one line on stderr, with --json as without', async () => {
  const { code, stdout, stderr } = await nvWal(['stats', '--dir', '/nowhere', '--json']);
  assert.equal([code, stdout, stderr], [1, '', ['nv-wal: no log in /nowhere (WAL_CONFIG)']]);
});

it.run();

type Fields = { always: string[]; sometimes: string[] };

/** The rows of the README's table: what is in its first braces, by what stands before it. */
async function documented(): Promise<(of: string) => Fields> {
  const readme = await readFile(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const section = readme.slice(readme.indexOf('### What `--json` prints'));
  const rows = [...section.matchAll(/^\| (.+?) +\| .*?`\{ (.*?) \}`/gm)].flatMap(([, of, list]) =>
    of!
      .replaceAll('`', '')
      .split(', ')
      .map((name) => [name, list!.split(', ')] as const),
  );
  return (of) => {
    const list = rows.find(([name]) => name === of)?.[1];
    assert.ok(list, `the README has a row ${of}`);
    return {
      always: list.filter((name) => !name.endsWith('?')),
      sometimes: list.filter((name) => name.endsWith('?')).map((name) => name.slice(0, -1)),
    };
  };
}
