import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Wal } from '../../lib/index.js';
import { withFolder } from '../helpers/folder.js';
import { until } from '../helpers/until.js';
import { nvWal, start, withLog } from './nv-wal.js';

const it = suite('cli/import');

it('makes the log, takes what it can read, names the lines that it can not, and takes nothing twice', async () => {
  await withFolder(async (varDir) => {
    const files = join(varDir, 'old');
    await mkdir(files);
    await writeFile(join(files, 'a.ndjson'), '{"kind":"log","record":{"n":1}}\n{"n":2}\n');
    await writeFile(join(files, 'b.ldjson'), '{"appendedAt":1,"blob":{"n":3}}\nnot json\n[4]\n{"n":5}\n');
    await writeFile(join(files, 'ignored.txt'), 'not ours\n');
    const command = ['import', '--service', 'gateway', '--kind', 'audit', files, join(varDir, 'none')];
    const env = { VAR_DIR: varDir };

    const first = await nvWal([...command, '--json'], { env });
    assert.is(first.code, 1);
    assert.equal(JSON.parse(first.stdout), { imported: 4, skipped: 0, failed: 3, files: 2 });
    const [notJson, notObject, notThere, last] = first.stderr;
    assert.match(notJson!, new RegExp(`^${join(files, 'b.ldjson')}:2: not JSON`));
    assert.match(notObject!, new RegExp(`^${join(files, 'b.ldjson')}:3: not a JSON object`));
    assert.match(notThere!, new RegExp(`^${join(varDir, 'none')}: ENOENT`));
    assert.is(last, 'nv-wal: 3 lines or files could not be read');

    await writeFile(join(files, 'c.jsonl'), '{"n":6}\n');
    const second = await nvWal(command.slice(0, -1), { env });
    assert.equal([second.code, second.stderr], [0, []]);
    assert.is(second.stdout, 'imported 1 record from 3 files; 4 were there already\n');
  });
});

it('a kind that is asked for is declared; shippers are what they were', async () => {
  await withLog(
    async () => {},
    async ({ at, dir, varDir }) => {
      const file = join(varDir, 'bills.ndjson');
      await writeFile(file, '{"amount":1}\n{"kind":"billing","record":{"amount":2}}\n');
      const { code, stderr } = await nvWal(['import', ...at, '--kind', 'billing', file]);
      assert.equal([code, stderr], [0, []]);
      await using wal = await Wal.openFolder(dir);
      const { audit, billing } = wal.stats().streams;
      assert.is(billing?.lastSeq, 2);
      assert.equal(Object.keys(audit!.shippers), ['siem']);
    },
    { streams: { audit: { shippers: ['siem'] } } },
  );
});

it('is interrupted at any moment, and goes on where it was', async () => {
  await withFolder(async (varDir) => {
    const file = join(varDir, 'many.ndjson');
    const lines = Array.from({ length: 30_000 }, (_, n) => `{"n":${n},"text":"${'x'.repeat(100)}"}\n`);
    await writeFile(file, lines.join(''));
    const command = ['import', '--service', 'gateway', '--var-dir', varDir, '--kind', 'audit', file];
    const running = start(command);
    await until(() => existsSync(join(varDir, 'nv-wal/gateway/main/owner.json')), 'the log is open');
    running.process.kill('SIGINT');
    const first = await running.ended;
    // It may have been through already, but then it says so.
    if (first.code !== 0) {
      assert.is(first.code, 1);
      assert.match(
        first.stderr.join('\n'),
        /^nv-wal: interrupted after [\d,]+ records?; run it again to go on$/,
      );
    }
    const second = await nvWal([...command, '--json']);
    assert.is(second.code, 0);
    const { imported, skipped } = JSON.parse(second.stdout) as Record<string, number>;
    assert.is(imported! + skipped!, lines.length);
    await using wal = await Wal.openFolder(join(varDir, 'nv-wal/gateway/main'));
    assert.is(wal.stats().streams['audit']?.lastSeq, lines.length);
  });
});

it.run();
