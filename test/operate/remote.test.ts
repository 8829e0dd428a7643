import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalError } from '../../lib/errors.js';
import { RemoteLog } from '../../lib/operate/remote.js';
import { progressLines } from '../../lib/operate/progress.js';
import type { CompactProgress } from '../../lib/reports.js';
import { writeOwner } from '../../lib/log/folder.js';
import { withFolder } from '../helpers/folder.js';
import { rejection, rejectsWith } from '../helpers/rejection.js';
import { deferred } from '../helpers/sink.js';
import { withWal } from '../helpers/wal.js';

const it = suite('operate/remote');

const RECORDS = 5000;
const text = 'x'.repeat(500);

it('a dump of a log in use is what was there when it began, while appends go on', async () => {
  await withWal({}, async (wal) => {
    const records = Array.from({ length: RECORDS }, (_, n) => ({ n, text }));
    await wal.appendMany('log', records);
    const seqs: number[] = [];
    for await (const { seq } of new RemoteLog(wal.dir).dump({ kind: 'log' })) {
      // The first lines are here, the rest is more than the socket holds: this append is behind the frozen end.
      if (seqs.length === 0) await wal.append('log', { late: true });
      seqs.push(seq);
    }
    assert.equal(
      seqs,
      records.map((_, n) => n + 1),
    );
  });
});

it('a client that goes away in the midst of a dump leaves a log that goes on, and answers the next', async () => {
  await withWal({}, async (wal) => {
    await wal.appendMany(
      'log',
      Array.from({ length: RECORDS }, (_, n) => ({ n, text })),
    );
    const remote = new RemoteLog(wal.dir);
    for await (const _ of remote.dump({})) break;
    await wal.append('log', { after: true });
    assert.is((await remote.stats()).streams['log']!.lastSeq, RECORDS + 1);
  });
});

it('evict, compact, verify and forget do over the socket what they do here', async () => {
  await withWal({}, async (wal) => {
    for (let n = 0; n < 3; n++) await wal.append('log', { n });
    const remote = new RemoteLog(wal.dir);
    const { evicted, dropped } = await remote.evict({ kind: 'log', maxBytes: 0 });
    assert.equal([evicted, dropped], [3, 3]);
    assert.ok((await remote.compact()).bytesAfter > 0);
    assert.is((await remote.verify(new AbortController().signal)).ok, true);
    // It never shipped: it has not passed the notice of what was evicted, either.
    assert.equal(await remote.forget('log', 'default'), { records: 3 });
  });
});

it('verify and compact say how far they are, and end when nobody waits for them', async () => {
  await withWal({}, async (wal) => {
    await wal.appendMany('log', [{ n: 1 }, { n: 2 }]);
    const remote = new RemoteLog(wal.dir);
    const seen: number[] = [];
    assert.is((await remote.verify(undefined, (records) => void seen.push(records))).records, 2);
    const gone = AbortSignal.abort();
    assert.is((await rejection(remote.verify(gone))).name, 'AbortError');
    assert.is((await rejection(remote.compact({ signal: gone }))).name, 'AbortError');
    assert.is((await rejection(wal.compact({ signal: gone }))).name, 'AbortError');
    const pieces: CompactProgress[] = [];
    await wal.compact({ onProgress: (piece) => void pieces.push(piece) });
    const { bytes, bytesTotal } = pieces.at(-1)!;
    assert.ok(bytesTotal > 0 && bytes === bytesTotal);
  });
});

it('a long work is lines: how far it is, then its report or its error', async () => {
  const report = deferred<string>();
  const lines = progressLines(0, (say) => {
    say(1);
    return report.promise;
  });
  assert.equal((await lines.next()).value, { progress: 1 });
  report.resolve('done');
  // Where it was not over soon enough, it says that it lives once more.
  const rest = [];
  for await (const line of lines) rest.push(line);
  assert.equal(rest.at(-1), { report: 'done' });
  const failing = progressLines(0, () => Promise.reject(new Error('no')));
  assert.is((await rejection(failing.next())).message, 'no');
});

/** Somebody on a log's control socket who is no log. */
async function withSomebody(
  answer: (socket: Socket) => void,
  use: (remote: RemoteLog) => Promise<void>,
): Promise<void> {
  await withFolder(async (dir) => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => {}));
      socket.once('data', () => answer(socket));
    });
    server.listen(join(dir, 'control.sock'));
    await once(server, 'listening');
    await writeOwner(dir, { pid: 4711, started: 0, writerId: 'w' });
    try {
      await use((await RemoteLog.find(dir, { idleMs: 100 }))!);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
}

const head = (status: string) => `HTTP/1.1 ${status}\r\ncontent-length: 100\r\n\r\n`;

for (const [who, says, code, line] of [
  ['whoever never answers', '', 'WAL_IO', '\\(4711\\) does not answer: nothing came for 0.1 s'],
  ['whoever begins and then hangs', `${head('200 OK')}{"a"`, 'WAL_IO', 'nothing came for 0.1 s'],
  ['one of another version', head('404 Not Found'), 'WAL_CONFIG', 'another version of @nv/wal'],
  [
    'one that speaks something else',
    'SSH-2.0-OpenSSH\r\n',
    'WAL_IO',
    "\\(4711\\) can't be asked: Parse Error",
  ],
  [
    'one that answers nonsense',
    'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhm?\n',
    'WAL_IO',
    'its answer is none: hm?',
  ],
] as const) {
  it(`${who} is one line, and nobody waits for ever`, async () => {
    await withSomebody(
      (socket) => socket.write(says),
      async (remote) => {
        for (const call of [() => remote.stats(), () => remote.verify(), () => remote.dump({}).next()]) {
          const error = await rejectsWith(call(), code, new RegExp(line.replace('?', '\\?')));
          assert.not.match(error.message, '\n');
        }
      },
    );
  });
}

it('one that hangs up is named, and what that may mean', async () => {
  await withSomebody(
    (socket) => socket.destroy(),
    async (remote) =>
      void (await rejectsWith(remote.stats(), 'WAL_IO', /\(4711\) hung up: it went away, or takes/)),
  );
});

it('that an answer is being worked on is told meanwhile, and is no answer', async () => {
  await withSomebody(
    (socket) =>
      socket.write(
        'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"records":3}\n',
      ),
    async (remote) => assert.equal(await remote.forget('log', 'default'), { records: 3 }),
  );
});

it('a connection that breaks is an error, and an abort ends a call to somebody who hangs', async () => {
  await withSomebody(
    (socket) => socket.end(`${head('200 OK')}{"a"`),
    async (remote) => void (await rejectsWith(remote.stats(), 'WAL_IO')),
  );
  await withFolder(async (dir) => {
    const abort = new AbortController();
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => abort.abort());
    });
    server.listen(join(dir, 'control.sock'));
    await once(server, 'listening');
    const remote = new RemoteLog(dir, { signal: abort.signal });
    assert.is(await rejection(remote.stats()), abort.signal.reason);
    server.close();
  });
});

it('what the log refuses is refused over the socket under the same code', async () => {
  await withWal({}, async (wal) => {
    const remote = new RemoteLog(wal.dir);
    const codeOf = async (call: Promise<unknown>) => ((await rejection(call)) as WalError).code;
    assert.is(await codeOf(remote.dump({ kind: 'nothing' }).next()), 'WAL_UNKNOWN_KIND');
    assert.is(await codeOf(remote.dump({ kind: 'log', from: 5, to: 1 }).next()), 'WAL_CONFIG');
    assert.is(await codeOf(remote.evict({})), 'WAL_CONFIG');
    assert.is(await codeOf(remote.forget('log', 'nobody')), 'WAL_CONFIG');
  });
});

it('an option that is misspelt is refused: a dry run must not become a real one', async () => {
  await withWal({}, async (wal) => {
    await wal.append('log', { n: 1 });
    const remote = new RemoteLog(wal.dir);
    const misspelt = { maxBytes: 0, dryrun: true };
    const { message } = await rejection(remote.evict(misspelt));
    assert.is(message, "there is no option 'dryrun'; there are kind, maxBytes, maxAgeMs, dryRun");
    const asked = { gaps: 'yes' } as object;
    assert.is(
      (await rejection(remote.dump(asked).next())).message,
      "expected gaps to be true or false, got 'yes'",
    );
    assert.is(wal.stats().streams['log']!.firstSeq, 1);
  });
});

it.run();
