import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReadItem, WalError } from '../../lib/index.js';
import { RemoteLog, tailItems } from '../../lib/index.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { rejection } from '../helpers/rejection.js';
import type { AnyWal } from '../helpers/wal.js';
import { withWal } from '../helpers/wal.js';

const it = suite('operate/tail');

it('the newest of every stream, as one by when they were appended, a notice among them', async () => {
  await withWal({}, async (wal, { clock }) => {
    for (let n = 1; n <= 4; n++) {
      await wal.append(n % 2 === 0 ? 'audit' : 'log', { n });
      clock.advance(10);
    }
    assert.equal(await names(tailItems(wal)), ['log 1', 'audit 1', 'log 2', 'audit 2']);
    assert.equal(await names(tailItems(wal, { lines: 1 })), ['log 2', 'audit 2']);
    assert.equal(await names(tailItems(wal, { kind: 'audit' })), ['audit 1', 'audit 2']);
    assert.equal(await names(tailItems(wal, { lines: 0 })), []);
    await wal.evict({ kind: 'log', maxBytes: 0 });
    await wal.append('log', { n: 5 });
    assert.equal(await names(tailItems(wal, { kind: 'log' })), ['log 1-2', 'log 3']);
    assert.throws(() => tailItems(wal, { kind: 'nothing' }), /no stream 'nothing'/);
    assert.throws(() => tailItems(wal, { lines: -1 }), /expected lines to be/);
  });
});

it('over the socket it goes on with what comes, and ends well when the log closes, nothing left out', async () => {
  await withWal({}, async (wal) => {
    await wal.append('log', { n: 1 });
    const following = new RemoteLog(wal.dir).tail({ lines: 1, follow: true });
    const first = await following.next();
    assert.ok(!first.done);
    assert.is(first.value.seq, 1);
    const appending = (async () => {
      for (let n = 2; n <= 300; n++) await wal.append(n % 3 === 0 ? 'audit' : 'log', { n });
      await wal.close();
    })();
    const seen = await names(following);
    await appending;
    const of = (kind: string) => seen.filter((name) => name.startsWith(kind));
    assert.equal([of('log').length, of('audit').length, seen.length], [199, 100, 299]);
    assert.equal(
      of('audit'),
      Array.from({ length: 100 }, (_, n) => `audit ${n + 1}`),
    );
  });
});

it('nothing to tell yet is answered, too; whoever leaves then is waited for by nobody', async () => {
  await withWal({}, async (wal) => {
    const response = await openRaw(wal, '/v1/tail?follow=true&kind=audit');
    assert.is(response.statusCode, 200);
    response.destroy();
    const leave = new AbortController();
    const remote = new RemoteLog(wal.dir).tail({ follow: true }, leave.signal);
    const waiting = rejection(remote.next());
    leave.abort();
    await waiting;
    await wal.append('audit', { n: 1 });
    assert.equal(await names(new RemoteLog(wal.dir).tail({})), ['audit 1']);
  });
});

it('a reader that takes nothing holds up neither appends nor the close', async () => {
  await withWal({}, async (wal) => {
    const response = await openRaw(wal, '/v1/tail?follow=true');
    response.pause();
    const text = 'x'.repeat(100_000);
    for (let n = 0; n < 100; n++) await wal.append('log', { n, text });
    const stats = await new RemoteLog(wal.dir).stats();
    assert.is(stats.streams['log']!.lastSeq, 100);
    // More than a socket holds is left: it is cut off, and the reader can tell.
    await wal.close();
    response.destroy();
  });
});

it('where the process is killed, whoever follows is told that it went away', async () => {
  await withFolder(async (varDir) => {
    await withChild(new URL('holding-process.ts', import.meta.url), [varDir], async (child) => {
      const remote = new RemoteLog((await child.next()) as string);
      const following = remote.tail({ follow: true });
      await following.next();
      const next = rejection(following.next());
      await child.kill();
      const { code, message } = (await next) as WalError;
      assert.equal([code, message], ['WAL_IO', 'the process that holds the log went away']);
    });
  });
});

it('what it does not know is refused', async () => {
  await withWal({}, async (wal) => {
    const refused = [{ kind: 'nothing' }, { lines: 1.5 }, { from: 1 } as object];
    const messages = await Promise.all(
      refused.map(async (options) => (await rejection(new RemoteLog(wal.dir).tail(options).next())).message),
    );
    assert.match(messages[0]!, "no stream 'nothing'");
    assert.match(messages[1]!, 'expected lines to be');
    assert.match(messages[2]!, "tail has no option 'from'");
  });
});

it.run();

async function names(items: AsyncIterable<ReadItem<object> | undefined>): Promise<string[]> {
  const found: string[] = [];
  for await (const item of items) {
    if (!item) continue;
    found.push(`${item.kind} ${'gap' in item ? `${item.gap.from}-${item.gap.to}` : item.seq}`);
  }
  return found;
}

async function openRaw(wal: AnyWal, path: string) {
  const asking = request({ socketPath: join(wal.dir, 'control.sock'), path, agent: false });
  asking.on('error', () => {});
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return response;
}
