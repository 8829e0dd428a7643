// What the page is given of a log's content: the newest, what is looked for, and never more than a page holds.

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DumpOptions } from '../../../lib/operate/dump.js';
import { newestRecords, quarantinedRecords } from '../../../lib/operate/inspector/records.js';
import { Subject } from '../../../lib/operate/inspector/subject.js';
import { RemoteLog } from '../../../lib/operate/remote.js';
import { Wal } from '../../../lib/wal.js';
import { withWal } from '../../helpers/wal.js';

const it = suite('operate/inspector/records');

const numbers = (count: number) => Array.from({ length: count }, (_, n) => ({ n: n + 1 }));

it('the newest come first, a hundred at most, of one stream or of all', async () => {
  await withWal({}, async (wal, { clock }) => {
    await wal.appendMany('log', numbers(250));
    clock.advance(1000);
    await wal.appendMany('audit', numbers(3));
    const log = new RemoteLog(wal.dir);
    const all = (await newestRecords(log, {})).rows.map(({ kind, seq }) => `${kind}:${seq}`);
    assert.equal(all.slice(0, 5), ['audit:3', 'audit:2', 'audit:1', 'log:250', 'log:249']);
    assert.is(all.length, 100);
    const { rows } = await newestRecords(log, { kind: 'log' });
    assert.equal([rows[0]!.seq, rows.at(-1)!.seq], [250, 151]);
  });
});

it('a text is looked for among the newest 2,000, in any case', async () => {
  await withWal({}, async (wal) => {
    await wal.appendMany('log', [{ text: 'Needle' }, ...numbers(1500), { text: 'NEEDLE' }]);
    const log = new RemoteLog(wal.dir);
    const found = async () => (await newestRecords(log, { text: 'needle' })).rows.map(({ seq }) => seq);
    assert.equal(await found(), [1502, 1]);
    await wal.appendMany('log', numbers(600));
    assert.equal(await found(), [1502]);
  });
});

it('of a long record there is the beginning, and what is looked for may be behind it', async () => {
  await withWal({}, async (wal) => {
    await wal.append('log', { text: `${'x'.repeat(100_000)}needle` });
    const { rows } = await newestRecords(new RemoteLog(wal.dir), { text: 'needle' });
    assert.equal([rows[0]!.json.length, rows[0]!.isCut], [8192, true]);
  });
});

it('of large records, no more are read than the page may take in, however few those are', async () => {
  await withWal({}, async (wal) => {
    const large = () => ({ noise: randomBytes(200_000).toString('hex') });
    for (let n = 0; n < 40; n++) await wal.append('log', large());
    const log = new RemoteLog(wal.dir);
    let asked = 0;
    const counting = {
      stats: () => log.stats(),
      dump(options: DumpOptions) {
        asked += options.to! - options.from! + 1;
        return log.dump(options);
      },
    };
    const { rows } = await newestRecords(counting, {});
    assert.is(rows[0]!.seq, 40);
    assert.is(rows.length, asked);
    assert.ok(asked >= 8_388_608 / 400_000 && asked < 30, `${asked} were read`);
  });
});

it('a log without records, and one without quarantine, are empty lists', async () => {
  await withWal({}, async (wal) => {
    const log = new RemoteLog(wal.dir);
    assert.equal((await newestRecords(log, {})).rows, []);
    assert.equal(await quarantinedRecords(log), { rows: [], isMore: false });
  });
});

it('a log that nobody holds is free between two questions, and is live once a service has it', async () => {
  await withWal({}, async (wal, { reopen }) => {
    await wal.appendMany('log', numbers(3));
    await wal.close();
    const { dir } = wal;
    const subject = new Subject({ dir, open: () => Wal.openFolder(dir) });
    const [report, records] = await Promise.all([
      subject.report(),
      subject.ask((log) => newestRecords(log, {})),
    ]);
    assert.is(report.is, 'offline');
    assert.is(records.rows.length, 3);
    await reopen();
    assert.is((await subject.report()).is, 'live');
  });
});

it('a log whose service has gone is not opened behind its back', async () => {
  await withWal({}, async (wal, { reopen }) => {
    const subject = new Subject({ dir: wal.dir });
    assert.is((await subject.report()).is, 'live');
    await wal.close();
    assert.equal(await subject.report(), { is: 'gone', code: 'WAL_IO', message: 'no process holds the log' });
    await reopen();
    assert.is((await subject.report()).is, 'live');
  });
});

it('an offline log is looked at again once something was done to it', async () => {
  await withWal({}, async (wal) => {
    await wal.appendMany('log', numbers(3));
    await wal.close();
    const { dir } = wal;
    const open = () =>
      Wal.openFolder(dir, { streams: { log: { whenFull: 'drop-oldest', shippers: ['default'] } } });
    const subject = new Subject({ dir, open });
    const backlog = async () => {
      const report = await subject.report();
      return report.is === 'gone'
        ? report.message
        : report.look.stats.streams['log']!.shippers['default']!.backlogRecords;
    };
    assert.is(await backlog(), 3);
    await subject.ask((log) => log.evict({ maxBytes: 0 }), true);
    assert.is(await backlog(), 0);
  });
});

it.run();
