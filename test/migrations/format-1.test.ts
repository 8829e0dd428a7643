import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { databaseFolder } from '../../lib/log/folder.js';
import { openStore } from '../../lib/log/store.js';
import type { ReadItem } from '../../lib/passage.js';
import { Wal } from '../../lib/wal.js';
import type { Expected } from '../fixtures/format-1/content.js';
import { contentOf, importedLines, quarantineOf, streams } from '../fixtures/format-1/content.js';
import { withFolder } from '../helpers/folder.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { Archive, TestSink } from '../helpers/sink.js';
import type { AnyWal } from '../helpers/wal.js';

const it = suite('migrations/format-1');

const fixture = fileURLToPath(new URL('../fixtures/format-1/', import.meta.url));
const expected = JSON.parse(await readFile(join(fixture, 'expected.json'), 'utf8')) as Expected;

/** A copy of the log that format 1 has left, where its service would look for it. */
async function withOldLog(use: (varDir: string, dir: string) => Promise<void>): Promise<void> {
  await withFolder(async (varDir) => {
    const dir = join(varDir, 'nv-wal', expected.service, expected.instance);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await cp(join(fixture, 'log'), dir, { recursive: true });
    await chmod(dir, 0o700);
    await use(varDir, dir);
  });
}

async function withOldWal(use: (wal: AnyWal, varDir: string) => Promise<void>): Promise<void> {
  const { service, instance } = expected;
  await withOldLog(async (varDir) => {
    const clock = new ManualClock();
    const options = { service, instance, varDir, clock, streams, reserveBytes: 0, adopt: false };
    await using wal: AnyWal = await Wal.open(options);
    await use(wal, varDir);
  });
}

const idsIn = (items: readonly ReadItem[]): string[] => items.map(({ id }) => id);

it('has every record, cursor and notice that was in it, and all of it adds up', async () => {
  await withOldWal(async (wal) => {
    const { quarantine: _, ...content } = expected;
    assert.equal(JSON.parse(JSON.stringify(await contentOf(wal))), content);
    assert.equal((await wal.verify()).problems, []);
  });
});

it('is as interesting as it was meant to be', () => {
  const items = Object.values(expected.items).flat();
  const reasons = new Set(items.map((item) => ('gap' in item ? item.gap.reason : 'record')));
  assert.equal([...reasons].toSorted(), ['corrupt', 'record', 'size']);
  assert.is(Object.keys(expected.quarantine).length, 2);
  const { audit, billing, debug, log } = expected.streams;
  assert.ok(log!.firstSeq > 1, 'its head was deleted');
  assert.ok(billing!.shippers['default']!.seq > billing!.shippers['warehouse']!.seq);
  assert.ok(debug!.shippers['default']!.dropped > 0 && debug!.shippers['default']!.lost > 0);
  assert.is(audit!.shippers['default']!.quarantined, 2);
});

it('has what was put aside, and knows what was imported', async () => {
  await withOldLog(async (_varDir, dir) => {
    const store = await openStore(databaseFolder(dir), false);
    assert.equal(JSON.parse(JSON.stringify(await quarantineOf(store))), expected.quarantine);
    await store.close();
  });
  await withOldWal(async (wal, varDir) => {
    const file = join(varDir, 'again.ndjson');
    await writeFile(file, importedLines);
    const { imported, skipped } = await wal.import([file], { kind: 'log' });
    assert.equal({ imported, skipped }, { imported: 0, skipped: 2 });
  });
});

it('delivers what waits in it, under its ids, and takes new records behind them', async () => {
  await withOldWal(async (wal) => {
    for (const [kind, { shippers, lastSeq }] of Object.entries(expected.streams)) {
      const { id, seq } = await wal.append(kind, { new: true });
      assert.is(seq, lastSeq + 1);
      for (const [name, { seq: passed }] of Object.entries(shippers)) {
        const archive = new Archive();
        await wal.ship(kind, new TestSink((sent) => archive.store(sent.lines)), { name }).idle();
        const waiting = (expected.items[kind] ?? []).filter((item) => item.seq > passed);
        assert.equal([...archive.lines.keys()], [...idsIn(waiting), id], `${name} of ${kind}`);
      }
    }
  });
});

it.run();
