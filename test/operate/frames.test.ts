// What is stored goes over the socket as it is stored: whoever asks gets the same, however it is asked.

import { once } from 'node:events';
import { connect } from 'node:net';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { decodeEntry, encodeEntry } from '../../lib/log/entry.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { keys } from '../../lib/log/keyspace.js';
import { openStore } from '../../lib/log/store.js';
import { Control } from '../../lib/operate/control.js';
import { dumpItems } from '../../lib/operate/dump.js';
import type { DumpOptions } from '../../lib/operate/dump.js';
import { FRAMES_TYPE, frameOf, itemsOfFrames } from '../../lib/operate/frames.js';
import { RemoteLog } from '../../lib/operate/remote.js';
import { Frames } from '../../lib/operate/stream.js';
import { withFolder } from '../helpers/folder.js';
import { rejection } from '../helpers/rejection.js';
import { deferred } from '../helpers/sink.js';
import { withWal } from '../helpers/wal.js';
import type { AnyWal } from '../helpers/wal.js';

const it = suite('operate/frames');

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** As curl gets it. */
async function plainly(dir: string, method: string, path: string): Promise<string> {
  const asking = request({ socketPath: join(dir, 'control.sock'), method, path, agent: false }).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return await text(response);
}

/** Of two streams: entries of one record, one that is deflated, notices, and names that are not plain. */
async function fill(wal: AnyWal): Promise<void> {
  await wal.appendMany(
    'log',
    Array.from({ length: 300 }, (_, n) => ({ n, gone: true })),
  );
  await wal.evict({ kind: 'log', maxBytes: 0 });
  for (const n of [1, 2, 3]) await wal.append('log', { n, 'ключ "1"': '<ü>\n' });
  await wal.appendMany(
    'log',
    Array.from({ length: 1500 }, (_, n) => ({ n, text: 'x'.repeat(200) })),
  );
  await wal.append('audit', { n: 1 });
}

it('a dump is the same as lines, as frames, and read where the log is', async () => {
  await withWal({}, async (wal) => {
    await fill(wal);
    const asked: DumpOptions[] = [
      {},
      { kind: 'log', from: 290, to: 310 },
      { limit: 1 },
      { limit: 5 },
      { kind: 'log', from: 302, limit: 700 },
      { gaps: true },
      { gaps: true, limit: 1 },
    ];
    for (const options of asked) {
      const here = await all(dumpItems(wal, options));
      assert.ok(here.length > 0);
      assert.equal(await all(new RemoteLog(wal.dir).dump(options)), here);
      const query = new URLSearchParams(
        Object.entries(options).map(([name, value]): [string, string] => [name, String(value)]),
      );
      const lines = here.map((item) => `${JSON.stringify(item)}\n`).join('');
      assert.is(await plainly(wal.dir, 'GET', `/v1/dump?${query.toString()}`), lines);
    }
    const tail = await all(new RemoteLog(wal.dir).tail({ lines: 3 }));
    assert.is(tail.length, 4);
    const lines = tail.map((item) => `${JSON.stringify(item)}\n`).join('');
    assert.is(await plainly(wal.dir, 'GET', '/v1/tail?lines=3'), lines);
  });
});

it('lines that are damaged are found by whoever takes them apart: as a notice, and as a problem', async () => {
  await withWal({}, async (first, { reopen }) => {
    await first.appendMany('audit', [{ n: 1 }, { n: 2 }]);
    await first.append('audit', { n: 3 });
    await first.close();
    const store = await openStore(databaseFolder(first.dir), false);
    const entry = decodeEntry('audit', keys.entry('audit', 2), (await store.get(keys.entry('audit', 2)))!)!;
    const { key, value } = encodeEntry('audit', 2, 2, entry.appendedAt, 0, {
      ...entry,
      linesCrc: (entry.linesCrc ^ 1) >>> 0,
    });
    await store.commit(new Map([[key, value]]));
    await store.close();
    const wal = await reopen();
    const remote = new RemoteLog(wal.dir);
    const [gap, record] = await all(remote.dump({ kind: 'audit' }));
    assert.ok(gap && 'gap' in gap && record && 'record' in record);
    assert.equal([gap.gap.from, gap.gap.to, gap.gap.reason], [1, 2, 'corrupt']);
    const report = await wal.verify();
    assert.equal([report.ok, report.records, report.problems.length], [false, 1, 1]);
    assert.equal(await remote.verify(), report);
    assert.equal(JSON.parse(await plainly(wal.dir, 'POST', '/v1/verify')), report);
  });
});

it('frames are read however they are cut, and one that is cut off is none', async () => {
  const entry = (stored: string) => ({ entry: { stored: Buffer.from(stored), lineBytes: 1 } });
  const items = [{ n: 1, bytes: 5 }, entry('{"no":"frame"}\n'), entry(''), { report: 'ü' }];
  const bytes = Buffer.concat(items.flatMap(frameOf).map((part) => Buffer.from(part)));
  const read = (sizes: number) =>
    all(
      itemsOfFrames(
        (async function* () {
          for (let at = 0; at < bytes.length - cutOff; at += sizes)
            yield bytes.subarray(at, Math.min(at + sizes, bytes.length - cutOff));
        })(),
        (line) => JSON.parse(line) as object,
      ),
    );
  let cutOff = 0;
  for (const sizes of [1, 2, 7, 1000]) assert.equal(await read(sizes), items);
  cutOff = 1;
  assert.instance(await rejection(read(7)), WalError);
});

it('an entry with a number of bytes that is none ends it: nobody reads the same bytes for ever', async () => {
  for (const bytes of ['"many"', '-1', '0.5', '{}']) {
    async function* answer() {
      yield Buffer.from(`{"entry":{},"bytes":${bytes}}\n`);
    }
    const read = all(itemsOfFrames(answer(), (line) => JSON.parse(line) as object));
    assert.match((await rejection(read)).message, 'its answer is none');
  }
});

it('whoever verifies and takes nothing is given up: what is read for them holds disk space back', async () => {
  await withFolder(async (dir) => {
    const ended = deferred<void>();
    async function* endless() {
      try {
        for (;;) yield { entry: { stored: Buffer.alloc(65_536) } };
      } finally {
        ended.resolve();
      }
    }
    const control = await Control.listen({
      dir,
      routes: { 'POST /v1/verify': () => new Frames(endless(), 20) },
    });
    const socket = connect(join(dir, 'control.sock'));
    socket.on('error', () => {});
    socket.pause().write(`POST /v1/verify HTTP/1.1\r\nhost: wal\r\naccept: ${FRAMES_TYPE}\r\n\r\n`);
    // Neither end of such a connection keeps a process alive.
    const alive = setInterval(() => {}, 1000);
    await ended.promise;
    clearInterval(alive);
    socket.destroy();
    await control.close();
  });
});

it.run();
