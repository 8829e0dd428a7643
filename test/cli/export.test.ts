import { existsSync } from 'node:fs';
import { readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReadItem } from '../../lib/index.js';
import { ExportFolder } from '../../lib/cli/export-folder.js';
import { Wal } from '../../lib/index.js';
import { withFolder } from '../helpers/folder.js';
import { rejection } from '../helpers/rejection.js';
import { until } from '../helpers/until.js';
import { appendNumbers, nvWal, start, withLog } from './nv-wal.js';

const it = suite('cli/export');

it('the log as files by kind and first seq; the next time, only what is new', async () => {
  const fill = async (wal: Parameters<typeof appendNumbers>[0]) => {
    await appendNumbers(wal, 'log', 3);
    await wal.evict({ kind: 'log', maxBytes: 0 });
    await appendNumbers(wal, 'log', 2);
    await appendNumbers(wal, 'audit', 3);
  };
  await withLog(fill, async ({ at, varDir, dir }) => {
    const to = join(varDir, 'exported');
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await nvWal(['export', to, ...at, '--json', ...args]);
      assert.equal([code, stderr], [0, []]);
      return JSON.parse(stdout) as unknown;
    };
    assert.equal(await run('--kind', 'audit', '--to', '2'), { exported: 2, files: 1 });
    assert.equal(await run(), { exported: 3, files: 2 });
    // Live as well as offline.
    await using wal = await Wal.openFolder(dir);
    assert.equal(await run(), { exported: 0, files: 0 });
    await wal.append('audit', { n: 4 });
    assert.equal(await run(), { exported: 1, files: 1 });
    const names = await readdir(to);
    assert.equal(names.toSorted(), [
      'audit-0000000000000001.ndjson',
      'audit-0000000000000003.ndjson',
      'audit-0000000000000004.ndjson',
      'export.json',
      'log-0000000000000001.ndjson',
    ]);
    const items = await itemsIn(to);
    assert.equal(
      items.map((item) => `${item.kind} ${'gap' in item ? 'gone' : ''}${item.seq}`),
      ['audit 1', 'audit 2', 'audit 3', 'audit 4', 'log gone3', 'log 4', 'log 5'],
    );
    assert.is((await stat(join(to, names[0]!))).mode & 0o077, 0);
  });
});

it('killed on its way, it goes on with nothing twice and nothing missing; import takes what came of it', async () => {
  const records = 20_000;
  const fill = async (wal: Parameters<typeof appendNumbers>[0]) => {
    for (let n = 0; n < 4; n++) await appendNumbers(wal, 'audit', records / 4);
  };
  await withLog(fill, async ({ at, varDir, dir }) => {
    const to = join(varDir, 'exported');
    const args = ['export', to, ...at, '--file-size', '16KB', '--json'];
    // What it reads comes from here, so it can't be done before this sees that it has begun.
    const wal = await Wal.openFolder(dir);
    const running = start(args);
    await until(() => existsSync(join(to, 'audit-0000000000000001.ndjson')));
    running.process.kill('SIGKILL');
    assert.is((await running.ended).code, null);
    await wal.close();
    const before = (await itemsIn(to)).length;
    assert.ok(before > 0 && before < records, String(before));
    const { stdout, stderr } = await nvWal(args);
    assert.equal(stderr, []);
    assert.is((JSON.parse(stdout) as { exported: number }).exported, records - before);
    assert.equal(
      (await itemsIn(to)).map(({ seq }) => seq),
      Array.from({ length: records }, (_, n) => n + 1),
    );
    assert.not((await readdir(to)).some((name) => name.endsWith('.part')));

    const imported = await nvWal(['import', to, '--service', 'copy', '--var-dir', varDir, '--json']);
    assert.equal(imported.stderr, []);
    const { files, ...report } = JSON.parse(imported.stdout) as Record<string, number>;
    assert.equal(report, { imported: records, skipped: 0, failed: 0 });
    assert.ok(files! > 10);
  });
});

it('a log that was restored to an earlier state is no continuation; an unknown kind makes no folder', async () => {
  const fill = (wal: Parameters<typeof appendNumbers>[0]) => appendNumbers(wal, 'audit', 3);
  await withLog(fill, async ({ at, varDir, dir }) => {
    const wal = await Wal.openFolder(dir);
    const to = join(varDir, 'exported');
    const folder = await ExportFolder.open(to, wal.stats());
    await wal.close();
    const file = await folder.begin('audit', 9);
    await file.write('{"seq":9}\n');
    await file.finish();
    const restored = await nvWal(['export', to, ...at]);
    assert.is(restored.code, 1);
    assert.match(restored.stderr[0]!, /up to 9, but the log ends at 3: it was restored/);
    const unknown = await nvWal(['export', join(varDir, 'none'), ...at, '--kind', 'billing']);
    assert.equal([unknown.code, existsSync(join(varDir, 'none'))], [2, false]);
  });
});

it('a folder that can’t be made is one line; missing ones above it are made', async () => {
  await withFolder(async (folder) => {
    const log = { service: 'gateway', instance: 'main', logId: 'one' };
    const refusal = async (dir: string) => (await rejection(ExportFolder.open(dir, log))).message;
    await writeFile(join(folder, 'file'), '');
    assert.is(
      await refusal(join(folder, 'file')),
      `can't export to ${join(folder, 'file')}: it is no folder`,
    );
    assert.match(await refusal(join(folder, 'file', 'below')), /^can't export to .*file\/below: .*ENOTDIR/);
    await ExportFolder.open(join(folder, 'one', 'two', 'three'), log);
    assert.equal(await readdir(join(folder, 'one', 'two')), ['three']);
    // Where nothing can be made although its parent is there.
    if (process.platform === 'linux')
      assert.match(await refusal('/proc/none/here'), /^can't export to \/proc\/none: /);
  });
});

it('a folder that is not to be gone on with is refused, and says why', async () => {
  await withFolder(async (dir) => {
    const log = { service: 'gateway', instance: 'main', logId: 'one' };
    const refusal = async (call: Promise<unknown>) => (await rejection(call)).message;
    const file = await (await ExportFolder.open(dir, log)).begin('audit', 1);
    await file.write('{"seq":1}\n{"seq":');
    await file.finish();
    const cut = (await ExportFolder.open(dir, log)).lastSeq('audit');
    assert.match(await refusal(cut), /0001\.ndjson does not end in a whole line; remove it/);
    assert.match(
      await refusal(ExportFolder.open(dir, { ...log, logId: 'two' })),
      'the export of another log',
    );
    // Somebody else's, who is alive; and of one who is not, which goes.
    const name = 'audit-0000000000000002.ndjson';
    await writeFile(join(dir, `${name}.${process.ppid}.part`), '');
    assert.match(await refusal(ExportFolder.open(dir, log)), `process ${process.ppid} exports to`);
    await rename(join(dir, `${name}.${process.ppid}.part`), join(dir, `${name}.4194304.part`));
    await ExportFolder.open(dir, log);
    await rm(join(dir, 'export.json'));
    assert.match(await refusal(ExportFolder.open(dir, log)), 'no export.json that says of which log');
    assert.equal(await readdir(dir), ['audit-0000000000000001.ndjson']);
  });
});

it.run();

async function itemsIn(folder: string): Promise<ReadItem[]> {
  const items: ReadItem[] = [];
  for (const name of (await readdir(folder)).filter((other) => other.endsWith('.ndjson')).toSorted()) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
    assert.is(lines.pop(), '', name);
    for (const line of lines) items.push(JSON.parse(line) as ReadItem);
  }
  return items;
}
