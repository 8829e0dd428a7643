import { EventEmitter, once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WireLine } from '../../lib/records.js';
import { Wal } from '../../lib/wal.js';
import type { Child } from '../helpers/child.js';
import { withChild } from '../helpers/child.js';
import type { Arrived } from '../helpers/destination.js';
import { withDestination } from '../helpers/destination.js';
import { withFolder } from '../helpers/folder.js';
import { Archive } from '../helpers/sink.js';
import type { AnyWal } from '../helpers/wal.js';
import { auditRecord } from '../helpers/wal.js';
import { assertSame } from './house.js';
import { adoptionOf, openWorker } from './worker.js';

const it = suite('instances/processes');

const SCRIPT = new URL('worker-process.ts', import.meta.url);

/** A list that can be waited for: while one waits, the other processes have the machine to themselves. */
class Growing<T> {
  readonly items: T[] = [];
  readonly #grew = new EventEmitter();

  add(...items: T[]): void {
    this.items.push(...items);
    this.#grew.emit('grew');
  }

  async reached(count: number): Promise<readonly T[]> {
    while (this.items.length < count) await once(this.#grew, 'grew');
    return this.items;
  }
}

interface Scene {
  varDir: string;
  origin: string;
  archive: Archive;
  /** The ids that came, again where they came again. */
  ids: Growing<string>;
  /** The nth request, from 1. */
  nth: (number: number) => Promise<Arrived>;
  /** From the nth request on, the destination keeps what arrives and never answers. 0: it answers all. */
  hangFrom: (number: number) => void;
}

/** A destination, and a folder for its senders. */
async function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  const archive = new Archive();
  const ids = new Growing<string>();
  let hangFrom = 0;
  await withFolder(async (varDir) => {
    await withDestination(
      (response, { body }, number) => {
        const texts = gunzipSync(body).toString().split('\n').slice(0, -1);
        const lines = texts.map((line) => JSON.parse(line) as WireLine);
        const receipt = archive.store(lines);
        ids.add(...lines.map(({ id }) => id));
        if (hangFrom > 0 && number >= hangFrom) return;
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(receipt));
      },
      async ({ origin, nth }) => {
        await use({ varDir, origin, archive, ids, nth, hangFrom: (number) => (hangFrom = number) });
      },
    );
  });
}

/** An instance in a process of its own, its log open. */
async function withProcess(
  { varDir }: Scene,
  instance: string,
  url: string | undefined,
  use: (worker: Child) => Promise<void>,
): Promise<void> {
  await withChild(SCRIPT, url === undefined ? [varDir, instance] : [varDir, instance, url], async (child) => {
    assert.is(await child.next(), 'open');
    await use(child);
  });
}

/** One in this process; `told` grows as things happen. */
async function withInstance(
  { varDir, origin }: Scene,
  instance: string,
  use: (wal: AnyWal, told: Growing<string>) => Promise<void>,
): Promise<void> {
  const told = new Growing<string>();
  await using wal = await openWorker(varDir, instance, origin, (event) => {
    const one = adoptionOf(event);
    if (one !== undefined) told.add(one);
  });
  await use(wal, told);
}

/** An instance that appends so many records and comes to its end. */
async function leave({ varDir }: Scene, instance: string, records: number): Promise<string[]> {
  await using wal = await Wal.open({ service: 'test', instance, varDir, reserveBytes: 0, adopt: false });
  const receipts = await wal.appendMany(
    'audit',
    Array.from({ length: records }, (_, n) => auditRecord(n)),
  );
  return receipts.map(({ id }) => id);
}

async function instancesIn({ varDir }: Scene): Promise<string[]> {
  return await readdir(join(varDir, 'nv-wal', 'test'));
}

it('what a killed instance left is delivered by one of those that live, once, and removed', async () => {
  await withScene(async (scene) => {
    const { origin, archive } = scene;
    let ids: string[] = [];
    await withProcess(scene, 'worker-9', undefined, async (worker) => {
      worker.send(9);
      ids = (await worker.next()) as string[];
      await worker.kill();
    });
    await withProcess(scene, 'worker-1', origin, async (one) => {
      await withInstance(scene, 'worker-2', async (_two, told) => {
        const byOne = Promise.all([one.next(), one.next()]);
        // Where it is not the one, it says nothing until its process is gone.
        byOne.catch(() => {});
        assert.equal(await Promise.race([byOne, told.reached(2)]), [
          'adopted worker-9',
          'released worker-9 removed',
        ]);
        assertSame(await instancesIn(scene), ['worker-1', 'worker-2']);
      });
    });
    assertSame([...archive.lines.keys()], ids);
    assert.equal([archive.duplicates, archive.faults], [0, []]);
  });
});

it('when the adopter is killed in the midst, the next one goes on under the same ids', async () => {
  await withScene(async (scene) => {
    const { origin, archive, nth, hangFrom } = scene;
    const ids = await leave(scene, 'worker-9', 9);
    // The third batch arrives, and the adopter is killed before it learns of it.
    hangFrom(3);
    await withProcess(scene, 'worker-1', origin, async (adopter) => {
      await nth(3);
      await adopter.kill();
    });
    hangFrom(0);
    await withInstance(scene, 'worker-2', async (_next, told) => {
      // Two logs without an owner: the adopter's own, in which there is nothing, is one of them.
      await told.reached(4);
      const expected = ['worker-1', 'worker-9'].flatMap((name) => [
        `adopted ${name}`,
        `released ${name} removed`,
      ]);
      assertSame(told.items, expected);
    });
    assertSame([...archive.lines.keys()], ids);
    assert.equal(archive.faults, []);
    // That batch, and what was delivered before it and not acknowledged yet.
    assert.ok(archive.duplicates >= 2 && archive.duplicates <= 6, `${archive.duplicates} came again`);
    assertSame(await instancesIn(scene), ['worker-2']);
  });
});

it('an owner that comes back in the midst gets its log from the process that has adopted it', async () => {
  await withScene(async (scene) => {
    const { origin, archive, nth, hangFrom } = scene;
    const ids = await leave(scene, 'worker-9', 9);
    hangFrom(3);
    await withProcess(scene, 'worker-1', origin, async (adopter) => {
      await nth(3);
      assert.is(await adopter.next(), 'adopted worker-9');
      hangFrom(0);
      await withInstance(scene, 'worker-9', async (owner) => {
        assert.is(await adopter.next(), 'released worker-9 asked');
        ids.push((await owner.append('audit', auditRecord(10))).id);
        // Nine, of which the last two that had arrived came again, and one.
        await scene.ids.reached(12);
      });
    });
    assertSame([...archive.lines.keys()], ids);
    assert.equal([archive.duplicates, archive.faults], [2, []]);
  });
});

it.run();
