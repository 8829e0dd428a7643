// The transport in real processes that end in every way: what is on disk, or arrived, against what was logged.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HttpSinkOptions, LogRecord } from '../../lib/index.js';
import { withCompiled } from '../helpers/compile.js';
import { withFolder } from '../helpers/folder.js';
import { AUDIENCE, ISSUER, SECRET, withReceiver } from '../helpers/receiver.js';
import { recordsOf } from './pino-log.js';

const it = suite('adapters/pino');

interface Ended {
  /** Its exit code, or the signal that ended it. */
  code: number | string;
  /** How many lines it says it has logged; none where it had no time to. */
  logged: number | undefined;
  out: string;
  errors: string;
  /** What is on disk. */
  records: LogRecord[];
}

interface Way {
  /** Sent as soon as it has printed something. */
  signal?: NodeJS.Signals;
  sink?: HttpSinkOptions;
}

/** Lets it log, and runs it to its end. */
async function run(compiled: URL, how: string, { signal, sink }: Way = {}): Promise<Ended> {
  let ended: Ended | undefined;
  await withFolder(async (varDir) => {
    const args = [how, varDir, '1000', ...(sink ? [JSON.stringify(sink)] : [])];
    const child = spawn(process.execPath, [fileURLToPath(compiled), ...args]);
    let [out, errors] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      if (out === '' && signal) child.kill(signal);
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const [exitCode, exitSignal] = (await once(child, 'close')) as [number | null, string | null];
    const said = /logged (\d+)/.exec(out)?.[1];
    const logged = said === undefined ? undefined : Number(said);
    ended = { code: exitCode ?? exitSignal ?? '', logged, out, errors, records: await recordsOf(varDir) };
  });
  return ended!;
}

/** Every line from the first on, once, in order. */
function assertRow({ records, errors }: Ended): void {
  const numbers = records.map(({ data }) => (data as { n: number }).n);
  const firstOff = numbers.findIndex((n, at) => n !== at);
  assert.is(
    firstOff,
    -1,
    `in order, without a hole: ${numbers.slice(firstOff, firstOff + 3).join()} ${errors}`,
  );
}

function assertComplete(ended: Ended, code: number): void {
  assert.is(ended.code, code, ended.errors);
  assertRow(ended);
  assert.ok(ended.logged !== undefined && ended.logged > 0, ended.errors);
  assert.is(ended.records.length, ended.logged, ended.errors);
}

const script = new URL('./pino-process.ts', import.meta.url);

it('nothing is lost however the process ends, if it runs its exit handlers', async () => {
  await withCompiled(script, async (compiled) => {
    // In pairs: pino gives a worker 10 s to finish, and some machines are busy.
    const [exit, exitLater] = await Promise.all([run(compiled, 'exit'), run(compiled, 'exit-later')]);
    assertComplete(exit, 0);
    assertComplete(exitLater, 3);
    assert.match(exitLater.errors, /not persisted, 1 so far: .*1048576.*\n.*1 records were not persisted/);

    const [thrown, ended, piped] = await Promise.all([
      run(compiled, 'throw'),
      run(compiled, 'signal', { signal: 'SIGTERM' }),
      run(compiled, 'pipeline'),
    ]);
    assertComplete(thrown, 1);
    assertComplete(piped, 0);
    assertComplete(ended, 143);

    await withReceiver({}, async ({ url, store }) => {
      const token = { issuer: ISSUER, audience: AUDIENCE, secret: SECRET };
      const [killed, shipped] = await Promise.all([
        run(compiled, 'kill', { signal: 'SIGKILL' }),
        run(compiled, 'end', { sink: { baseUrl: url, token } }),
      ]);
      // What was on its way to the worker is gone: the end of the row, and nothing of what was flushed.
      assert.is(killed.code, 'SIGKILL', killed.errors);
      assertRow(killed);
      assert.match(killed.out, 'flushed 1000');
      assert.ok(killed.records.length >= 1000);

      // What was delivered is not on disk any more.
      assert.is(shipped.code, 0, shipped.errors);
      assert.is(await store.count('log'), 1000, shipped.errors);
      assert.equal(shipped.records, []);
    });
  });
});

it.run();
