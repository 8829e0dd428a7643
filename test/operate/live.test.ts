// Every command on the log of another process, while that process appends 5,000 records a second; and what a command
// finds after that process was killed.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReadItem } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import { RemoteLog } from '../../lib/operate/remote.js';
import { nvWal } from '../cli/nv-wal.js';
import type { Child } from '../helpers/child.js';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import { rejection } from '../helpers/rejection.js';
import type { Pace } from './service-process.js';

const it = suite('operate/live');

const SERVICE = new URL('service-process.ts', import.meta.url);

async function paceOf(child: Child): Promise<Pace> {
  child.send('pace');
  return (await child.next()) as Pace;
}

it('each command works on a log in use, and its process goes on appending', async () => {
  await withFolder(async (varDir) => {
    await withChild(SERVICE, [varDir, '5000', '0'], async (child) => {
      const { dir } = (await child.next()) as { dir: string };
      const remote = new RemoteLog(dir);
      const goesOn = async <T>(what: string, work: Promise<T>): Promise<T> => {
        const done = await work;
        // Some are over before the next append is due.
        let pace = await paceOf(child);
        while (pace.acknowledged === 0) pace = await paceOf(child);
        assert.is(pace.rejected, 0, `appends go on during ${what}`);
        return done;
      };
      const { streams } = await goesOn('stats', remote.stats());
      const { lastSeq } = streams['log']!;
      const dump = await goesOn('dump', nvWal(['dump', '--dir', dir, '--kind', 'log']));
      assert.equal([dump.code, dump.stderr], [0, []]);
      checkDump(dump.stdout, lastSeq);

      const all = { kind: 'audit', maxBytes: 0 };
      const dry = await goesOn('evict --dry-run', remote.evict({ ...all, dryRun: true }));
      assert.equal([dry.evicted, dry.dropped, dry.ranges.length], [1000, 0, 1]);
      const replay = ['replay', '--dir', dir, '--kind', 'audit', '--from', '1'];
      assert.is((await goesOn('replay', nvWal(replay))).stdout, '1,000 records to deliver again\n');
      assert.equal(await goesOn('replay --quarantine', remote.resend('audit')), { records: 0 });
      assert.equal(await goesOn('forget', remote.forget('spare', 'given-up')), { records: 1 });
      const { evicted, dropped } = await goesOn('evict', remote.evict({ kind: 'log', maxBytes: 65_536 }));
      assert.ok(dropped >= lastSeq / 2 && dropped === evicted);
      assert.equal((await goesOn('verify', remote.verify())).problems, []);
      assert.ok((await goesOn('compact', remote.compact())).bytesAfter > 0);
    });
  });
});

/** One stream without a hole, up to an end that was frozen when it was asked for. */
function checkDump(stdout: string, lastSeqBefore: number): void {
  const seqs = stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as ReadItem).seq);
  assert.ok(seqs.length >= lastSeqBefore, `${seqs.length} of at least ${lastSeqBefore}`);
  const hole = seqs.findIndex((seq, n) => seq !== n + 1);
  assert.is(hole, -1, `a hole at ${hole}`);
}

it('what a killed process leaves is no holder: commands open the log, and the next one takes the socket’s place', async () => {
  await withFolder(async (varDir) => {
    await withChild(SERVICE, [varDir, '0', '0'], async (child) => {
      const { dir } = (await child.next()) as { dir: string };
      assert.ok(await RemoteLog.find(dir));
      await child.kill();
      assert.is(await RemoteLog.find(dir), undefined);
      assert.match(
        (await rejection(new RemoteLog(dir).stats())).message,
        "can't be asked: connect ECONNREFUSED",
      );
      const { code, stdout } = await nvWal(['verify', '--dir', dir]);
      assert.equal([code, stdout], [0, 'ok: 1,001 records\n']);
      await using wal = await Wal.openFolder(dir);
      assert.is((await new RemoteLog(wal.dir).stats()).writerId, wal.stats().writerId);
    });
  });
});

it.run();
