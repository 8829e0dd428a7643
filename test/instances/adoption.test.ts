import { chown, cp, mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFolder } from '../../lib/log/folder.js';
import { Control } from '../../lib/operate/control.js';
import { askHolder } from '../../lib/operate/ask.js';
import type { WalStats } from '../../lib/stats.js';
import { Wal } from '../../lib/wal.js';
import { Archive, TestSink, accepting, deferred, hanging } from '../helpers/sink.js';
import { skipIf } from '../helpers/skip.js';
import { turns, until } from '../helpers/until.js';
import type { AnyWal } from '../helpers/wal.js';
import { auditRecord } from '../helpers/wal.js';
import { assertSame, withHouse } from './house.js';

const it = suite('instances/adoption');

const idsOf = (sink: TestSink): string[] => sink.sent.flatMap(({ lines }) => lines.map(({ id }) => id));

it('a log left alone for five minutes is delivered under its own name and ids, and removed', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    const ids = await leave('worker-1', 5);
    const dead = await Wal.openFolder(folderOf('worker-1'));
    const { logId } = dead.stats();
    await dead.close();
    const living = await live('main');
    const sink = new TestSink();
    living.wal.ship('audit', sink);
    for (let n = 0; n < 10; n++) await living.look();
    assert.equal(living.events, [], 'not a moment earlier');
    await living.look();
    await until(() => living.told('released').length > 0);
    assert.equal(living.told('adopted', 'released'), ['adopted worker-1', 'released worker-1 removed']);
    assertSame(idsOf(sink), ids);
    for (const { batch } of sink.sent) {
      assert.equal([batch.service, batch.instance, batch.logId], ['test', 'worker-1', logId]);
    }
    assert.equal(await readdir(join(folderOf('main'), '..')), ['main']);
    assert.is(living.wal.stats().streams['audit']?.lastSeq, 0, 'its own log has nothing of it');
  });
});

it('while it is adopted, the log can be asked how it stands', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    await leave('worker-1', 3);
    const living = await live('main');
    living.wal.ship('audit', new TestSink(hanging));
    await living.leaveAlone();
    const answer = await askHolder(folderOf('worker-1'), 'GET', '/v1/stats');
    assert.is(answer.is, 'answered');
    const stats = (answer as { body: WalStats }).body;
    assert.is(stats.instance, 'worker-1');
    assert.is(stats.streams['audit']?.shippers['default']?.backlogRecords, 3);
  });
});

it('a log whose holder answers is not alone, however long nothing happens to it', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    await leave('worker-1', 1);
    const control = await Control.listen({ dir: folderOf('worker-1'), routes: {} });
    const living = await live('main');
    living.wal.ship('audit', new TestSink());
    await living.leaveAlone();
    await living.leaveAlone();
    assert.equal(living.events, []);
    await control.close();
    await living.leaveAlone();
    assert.equal(living.told('adopted'), ['adopted worker-1']);
  });
});

it('a log that is written to is not alone', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    await leave('worker-1', 1);
    const living = await live('main');
    living.wal.ship('audit', new TestSink());
    for (let n = 0; n < 20; n++) {
      await utimes(join(folderOf('worker-1'), 'mark'), 1000 + n, 1000 + n);
      await living.look();
    }
    assert.equal(living.events, []);
  });
});

it('a log that is open in the same process is not touched', async () => {
  await withHouse(async ({ live }) => {
    const other = await live('worker-1');
    await other.wal.append('audit', auditRecord(1));
    const living = await live('main');
    living.wal.ship('audit', new TestSink());
    await living.leaveAlone();
    assert.equal(living.events, []);
    await other.wal.append('audit', auditRecord(2));
  });
});

it('its owner gets it back in the midst of delivery, and nothing is delivered twice or not at all', async () => {
  await withHouse(async ({ live, leave }) => {
    const ids = await leave('worker-1', 5);
    const living = await live('main');
    const archive = new Archive();
    // The first two arrive; then the destination hangs.
    const sink = new TestSink((sent, number) =>
      number === 1 ? archive.store(sent.lines) : hanging(sent, number),
    );
    living.wal.ship('audit', sink, { batchMax: 2 });
    await living.leaveAlone();
    await sink.nth(2);
    const owner = await live('worker-1');
    assert.equal(living.told('adopted', 'released'), ['adopted worker-1', 'released worker-1 asked']);
    const { id } = await owner.wal.append('audit', auditRecord(6));
    const shipper = owner.wal.ship('audit', new TestSink((sent) => archive.store(sent.lines)));
    await shipper.idle();
    assertSame([...archive.lines.keys()], [...ids, id]);
    assert.equal([archive.duplicates, archive.faults], [0, []]);
    assert.ok((await owner.wal.verify()).ok);
  });
});

it('a batch that had arrived when its owner came back comes again under the same ids', async () => {
  await withHouse(async ({ live, leave }) => {
    const ids = await leave('worker-1', 4);
    const living = await live('main');
    const archive = new Archive();
    const sink = new TestSink((sent, number) => {
      archive.store(sent.lines);
      // It is there, but its receipt gets lost.
      return hanging(sent, number);
    });
    living.wal.ship('audit', sink);
    await living.leaveAlone();
    await sink.nth(1);
    const owner = await live('worker-1');
    await owner.wal.ship('audit', new TestSink((sent) => archive.store(sent.lines))).idle();
    assertSame([...archive.lines.keys()], ids);
    assert.equal([archive.duplicates, archive.faults], [4, []]);
  });
});

it('a log that has nothing left is removed, and its owner begins a new one when it comes back', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    await leave('worker-1', 3);
    const living = await live('main');
    living.wal.ship('audit', new TestSink());
    await living.leaveAlone();
    await until(() => living.told('released').length > 0);
    assert.not(await isFolder(folderOf('worker-1')));
    const owner = await live('worker-1');
    assert.is((await stat(folderOf('worker-1'))).mode & 0o777, 0o700);
    assert.is((await owner.wal.append('audit', auditRecord(1))).seq, 1);
  });
});

it('an owner that comes back at any moment of the end finds its log whole, or none and begins anew', async () => {
  // In turns of the event loop: so long before the last receipt, or after it.
  for (const moment of [-64, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 64, 256]) {
    await withHouse(async ({ live, leave, varDir }) => {
      const ids = await leave('worker-1', 1);
      const living = await live('main');
      const archive = new Archive();
      const arrives = deferred<void>();
      const sink = new TestSink(async (sent) => {
        await arrives.promise;
        return archive.store(sent.lines);
      });
      living.wal.ship('audit', sink);
      await living.leaveAlone();
      await sink.nth(1);
      if (moment >= 0) arrives.resolve();
      await turns(Math.max(0, moment));
      const options = { service: 'test', instance: 'worker-1', varDir, reserveBytes: 0, adopt: false };
      const opening: Promise<AnyWal> = Wal.open(options);
      await turns(Math.max(0, -moment));
      arrives.resolve();
      await using owner = await opening;
      const { id } = await owner.append('audit', auditRecord(2));
      await owner.ship('audit', new TestSink((sent) => archive.store(sent.lines))).idle();
      assertSame([...archive.lines.keys()], [...ids, id]);
      assert.equal((await owner.verify()).problems, []);
    });
  }
});

it('what nobody ships here stays, and the log is given back and left alone until that changes', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    const streams = { billing: { whenFull: 'reject' as const }, audit: { shippers: ['default', 'archive'] } };
    const ids = await leave('worker-1', 3, { streams });
    const living = await live('main', { streams });
    const sink = new TestSink();
    living.wal.ship('audit', sink);
    await living.leaveAlone();
    await until(() => living.told('released').length > 0);
    assertSame(idsOf(sink), ids);
    await living.leaveAlone();
    await living.leaveAlone();
    assert.equal(living.told('adopted', 'released'), ['adopted worker-1', 'released worker-1 kept']);
    assert.ok(await isFolder(folderOf('worker-1')));
    const archive = new TestSink(accepting, { name: 'archive' });
    living.wal.ship('audit', archive, { name: 'archive' });
    await living.leaveAlone();
    await until(() => living.told('released').length === 2);
    assertSame(idsOf(archive), ids);
    assert.is(sink.sent.length, 1);
    assert.is(living.told('released').at(-1), 'released worker-1 removed');
  });
});

it('a log with a record that was put aside is drained, and stays', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    const [first] = await leave('worker-1', 2);
    const living = await live('main');
    const refusing = new TestSink(({ lines }) => {
      const rejected = lines.filter(({ id }) => id === first).map(({ id }) => ({ id, reason: 'no' }));
      return { accepted: lines.length - rejected.length, rejected };
    });
    living.wal.ship('audit', refusing);
    await living.leaveAlone();
    await until(() => living.told('released').length > 0);
    assert.equal(living.told('quarantined', 'released'), ['quarantined worker-1', 'released worker-1 kept']);
    const kept = await Wal.openFolder(folderOf('worker-1'));
    assert.is(kept.stats().streams['audit']?.shippers['default']?.backlogRecords, 0);
    await kept.close();
  });
});

it('a log that keeps what is delivered, or knows what was imported, stays', async () => {
  await withHouse(async ({ live, leave, varDir }) => {
    const streams = { audit: { keepDeliveredBytes: 1_000_000 } };
    await leave('keeps', 2, { streams });
    const importing = await live('imported', { adopt: false });
    const file = join(varDir, 'file.ndjson');
    await writeFile(file, `${JSON.stringify({ kind: 'audit', record: auditRecord(1) })}\n`);
    await importing.wal.import([file]);
    await importing.wal.close();
    const living = await live('main', { streams });
    living.wal.ship('audit', new TestSink());
    await living.leaveAlone();
    await until(() => living.told('released').length === 2);
    assertSame(living.told('released'), ['released imported kept', 'released keeps kept']);
  });
});

it('a damaged log, a copy of another one and a newer one are left as they are, and told of once', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    await leave('damaged', 2);
    await leave('original', 2);
    await cp(folderOf('original'), folderOf('original.bak'), { recursive: true });
    await cp(folderOf('original'), join(folderOf('original'), '..', '.hidden'), { recursive: true });
    await writeFile(join(folderOf('damaged'), 'db', 'CURRENT'), 'MANIFEST-999999\n');
    const living = await live('main');
    living.wal.ship('audit', new TestSink());
    await living.leaveAlone();
    await living.leaveAlone();
    await until(() => living.told('released').length > 0);
    assertSame(living.told('adoption-failed'), ['adoption-failed damaged', 'adoption-failed original.bak']);
    assert.equal(living.told('released'), ['released original removed']);
    const left = await readdir(join(folderOf('main'), '..'));
    assertSame(left, ['.hidden', 'damaged', 'main', 'original.bak']);
  });
});

skipIf(it, process.getuid?.() !== 0 && 'needs root, to make a folder another user’s')(
  'a folder of another user is left alone, and told of once',
  async () => {
    await withHouse(async ({ live, leave, folderOf }) => {
      await leave('theirs', 1);
      await chown(folderOf('theirs'), 65_534, 65_534);
      const living = await live('main');
      const sink = new TestSink();
      living.wal.ship('audit', sink);
      await living.leaveAlone();
      await living.leaveAlone();
      assert.equal(living.told('adoption-failed'), ['adoption-failed theirs']);
      assert.equal([living.told('adopted'), sink.sent], [[], []]);
    });
  },
);

it('of two that find it at once, one adopts it', async () => {
  await withHouse(async ({ live, leave }) => {
    const ids = await leave('worker-9', 20);
    const archive = new Archive();
    const living = [await live('worker-1'), await live('worker-2')];
    for (const { wal } of living) {
      wal.ship('audit', new TestSink((sent) => archive.store(sent.lines)), { batchMax: 3 });
    }
    await Promise.all(living.map((one) => one.leaveAlone()));
    const told = () => living.flatMap((one) => one.told('adopted', 'released', 'adoption-failed'));
    await until(() => told().length === 2);
    assert.equal(told(), ['adopted worker-9', 'released worker-9 removed']);
    assertSame([...archive.lines.keys()], ids);
    assert.is(archive.duplicates, 0);
  });
});

it('is given back when its shipper stops, and when the adopter closes', async () => {
  await withHouse(async ({ live, leave, folderOf }) => {
    await leave('worker-1', 2);
    const living = await live('main');
    const shipper = living.wal.ship('audit', new TestSink(hanging));
    await living.leaveAlone();
    await shipper.stop();
    await until(() => living.told('released').length === 1);
    living.wal.ship('audit', new TestSink(hanging));
    await living.leaveAlone();
    await living.wal.close();
    assert.equal(living.told('adopted', 'released'), [
      'adopted worker-1',
      'released worker-1 kept',
      'adopted worker-1',
      'released worker-1 closing',
    ]);
    const kept = await Wal.openFolder(folderOf('worker-1'));
    assert.is(kept.stats().streams['audit']?.shippers['default']?.backlogRecords, 2);
    await kept.close();
  });
});

it('who ships nothing, or was told not to, adopts nothing', async () => {
  await withHouse(async ({ live, leave }) => {
    await leave('worker-1', 2);
    const idle = await live('main');
    const told = await live('worker-2', { adopt: false });
    told.wal.ship('audit', new TestSink());
    await idle.leaveAlone();
    told.clock.advance(3_600_000);
    await turns();
    assert.equal([idle.events, told.events], [[], []]);
  });
});

it('the budget holds for an adopted log as for one’s own', async () => {
  await withHouse(async ({ live, leave }) => {
    const streams = { debug: { whenFull: 'drop-oldest' as const } };
    const writer = await live('worker-1', { streams, adopt: false });
    for (let n = 0; n < 40; n++) {
      await writer.wal.append('debug', {
        n,
        text: Array.from({ length: 60_000 }, () => Math.random().toString(36)[2]).join(''),
      });
    }
    await writer.wal.close();
    await leave('worker-2', 0);
    const living = await live('main', { streams: { debug: { ...streams.debug, maxBytes: 500_000 } } });
    living.wal.ship('debug', new TestSink(hanging));
    await living.leaveAlone();
    await until(() => living.told('dropped').length > 0);
    assert.is(living.told('dropped')[0], 'dropped worker-1');
  });
});

it('the remains of a removal that a crash broke off are cleared away', async () => {
  await withHouse(async ({ live, folderOf }) => {
    const remains = join(folderOf('main'), '..', '.removed-worker-1-0123456789ABCDEF');
    await mkdir(join(remains, 'db'), { recursive: true });
    await writeFile(join(remains, 'db', 'CURRENT'), 'MANIFEST-000001\n');
    const living = await live('main');
    await living.look();
    assert.not(await isFolder(remains));
  });
});

it.run();
