// Damage that comes while a log is open, and that no open has looked for: it repairs itself without a restart,
// or, where LevelDB ends the process over it, at the next open.

import { open, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalEvent } from '../../lib/events.js';
import { layoutOf } from '../../lib/log/leveldb/table.js';
import { Wal } from '../../lib/wal.js';
import { withChild } from '../helpers/child.js';
import { ManualClock } from '../helpers/manual-clock.js';
import type { AnyWal } from '../helpers/wal.js';
import { databaseFiles, damageOptions, withPictures } from './damage-lab.js';
import { checkPromises } from './damage-promises.js';
import { withCopy } from './damage-trial.js';
import { rounds } from './long.js';

const it = suite('crash/damage-running');
const PROCESS = new URL('damage-process.ts', import.meta.url);

interface Place {
  file: string;
  at: number;
  isPacked: boolean;
}

/**
 * Where the blocks of all tables begin. The first byte of a plain one is 0, how much of a key the first one shares with
 * none; in a packed one, the length of what is packed begins there.
 */
async function blocksOf(dir: string): Promise<Place[]> {
  const places: Place[] = [];
  for (const file of await databaseFiles(dir, /\.ldb$/)) {
    const content = await readFile(join(dir, file));
    const { data } = layoutOf(content)!;
    places.push(
      ...data.map(({ offset, size }) => ({ file, at: offset, isPacked: content[offset + size] === 1 })),
    );
  }
  assert.ok(places.some(({ isPacked }) => isPacked) && places.some(({ isPacked }) => !isPacked));
  return places;
}

/** Writes bytes in place, as a disk would change them: LevelDB has the file mapped. */
async function overwrite(dir: string, { file, at }: Place, bytes: readonly number[]): Promise<void> {
  const handle = await open(join(dir, file), 'r+');
  try {
    await handle.write(Buffer.from(bytes), 0, bytes.length, at);
  } finally {
    await handle.close();
  }
}

it('a block that LevelDB can not read is repaired under a running log, and reading goes on behind it', async () => {
  await withPictures(async ({ closed }) => {
    let tried = 0;
    let met = 0;
    for (let n = 0, blocks = 1; n < blocks; n += rounds(5, 1)) {
      tried++;
      await withCopy(closed, async (varDir, dir) => {
        const events: WalEvent[] = [];
        const onEvent = (event: WalEvent) => void events.push(event);
        const options = damageOptions(varDir, { clock: new ManualClock(), onEvent });
        await using wal = (await Wal.open(options)) as unknown as AnyWal;
        const places = await blocksOf(dir);
        blocks = places.length;
        await overwrite(dir, places[n]!, [16]);
        // Reads all of it, and so meets the damage; only then is there something to repair. What LevelDB has unpacked
        // at open it still has in memory.
        const { ok } = await wal.verify();
        if (ok) assert.ok(places[n]!.isPacked);
        await checkPromises(closed.facts, wal, events);
        if (ok) return;
        met++;
        const [failed, recovered] = events.filter(({ type }) => type !== 'lost');
        assert.is(failed?.type, 'write-failed');
        assert.ok(recovered?.type === 'recovered' && recovered.message.includes(basename(places[n]!.file)));
      });
    }
    assert.ok(met > tried / 2, `${met} of ${tried} damaged blocks were met`);
  });
});

it('appends, acknowledgements and evictions that meet a damaged database are settled once it is repaired', async () => {
  await withPictures(async ({ closed }) => {
    await withCopy(closed, async (varDir, dir) => {
      const clock = new ManualClock();
      const wal = (await Wal.open(damageOptions(varDir, { clock }))) as unknown as AnyWal;
      const places = await blocksOf(dir);
      for (const place of places.filter((_, n) => n % 3 === 0)) await overwrite(dir, place, [16]);
      const verified = wal.verify();
      const outcomes = await Promise.allSettled([
        ...Array.from({ length: 200 }, (_, n) => wal.append('audit', { n })),
        wal.evict({ kind: 'log', maxBytes: 10_000 }),
        wal.append('log', { n: 1 }),
      ]);
      await verified;
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
      for (const { reason } of refused) assert.is((reason as { code?: string }).code, 'WAL_IO');
      const { seq } = await wal.append('audit', { last: true });
      const seqs = new Map<number, string>();
      for await (const item of wal.read('audit', { from: 411 })) seqs.set(item.seq, item.id);
      for (const outcome of outcomes.slice(0, 200)) {
        if (outcome.status === 'rejected') continue;
        const { seq: given, id } = outcome.value as { seq: number; id: string };
        assert.is(seqs.get(given), id, 'what was acknowledged is there');
      }
      assert.equal(
        [...seqs.keys()],
        Array.from({ length: seq - 410 }, (_, n) => n + 411),
      );
      assert.equal((await wal.verify()).problems, []);
      await wal.close();
    });
  });
});

it('damage that ends the process is repaired by the next one', async () => {
  await withPictures(async ({ closed }) => {
    await withCopy(closed, async (varDir, dir) => {
      await withChild(PROCESS, [varDir], async (child) => {
        assert.is(await child.next(), 'open');
        // A key that shares nothing and has two bytes, where LevelDB trusts that it ends in eight of its own.
        // Unpacking fails before that.
        const places = (await blocksOf(dir)).filter(({ isPacked }) => !isPacked);
        for (const place of places) await overwrite(dir, place, [0, 2]);
        child.send('read');
        assert.is(await child.ended, 'SIGABRT');
      });
      assert.ok(await stat(join(dir, 'unclean')));
      const events: WalEvent[] = [];
      const onEvent = (event: WalEvent) => void events.push(event);
      await using wal = (await Wal.open(
        damageOptions(varDir, { clock: new ManualClock(), onEvent }),
      )) as unknown as AnyWal;
      const { lost } = await checkPromises(closed.facts, wal, events);
      assert.ok(lost > 0);
    });
  });
});

it.run();
