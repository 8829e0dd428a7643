import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DemoReport } from '../../lib/cli/demo/run.js';
import { withFolder } from '../helpers/folder.js';
import { until } from '../helpers/until.js';
import type { Ran } from './nv-wal.js';
import { nvWal, start } from './nv-wal.js';

const it = suite('cli/demo');

/** A demo, and what it has left in its VAR_DIR. */
interface Played extends Ran {
  left: string[];
}

// A demo is mostly waiting, for an outage to pass: these do that together.
const [made, given, interrupted] = await Promise.all([playMade(), playGiven(), playInterrupted()]);

it('every acknowledged record arrives once, through the outage and the kill', () => {
  assert.is(made.code, 0, made.stderr.join('\n'));
  const { ok, streams, outageSeconds } = JSON.parse(made.stdout) as DemoReport;
  assert.is(ok, true);
  assert.ok(outageSeconds >= 2);
  const { audit, log } = streams;
  assert.is(audit!.acknowledged + log!.acknowledged, 300);
  for (const stream of [audit!, log!]) {
    const { appended, delivered, received, missing, twice } = stream;
    assert.equal([delivered, received, missing, twice], [appended, appended, 0, 0]);
  }
});

it('the outage comes first, then the kill; a line for each step', () => {
  const steps = [/^receiver: stopped/, /^receiver: back/, /^producer: killed by SIGKILL/, /^producer: a new/];
  const at = steps.map((step) => made.stderr.findIndex((line) => step.test(line)));
  assert.is.not(at[0], -1);
  assert.equal(
    at,
    at.toSorted((a, b) => a - b),
    made.stderr.join('\n'),
  );
});

it('only the log stays, where it was asked for', () => {
  assert.equal(made.left, ['nv-wal']);
});

it('of files and stdin, what can be read arrives, and what can not is named', () => {
  const { code, stdout, stderr } = given;
  assert.is(code, 1, stderr.join('\n'));
  assert.match(stdout, /^ +audit +billing$/m);
  assert.match(stdout, /^received +2 +1$/m);
  assert.match(stdout, /^missing +0 +0$/m);
  assert.not.match(stdout, '\u001B');
  const [problem, log, kept, last] = stderr.slice(-4);
  assert.match(problem!, /^stdin:2: not JSON/);
  assert.match(log!, /^the log is in /);
  assert.match(kept!, /^kept for a look: /);
  assert.is(last, 'nv-wal: 1 line or file could not be read');
});

it('what may explain a failure is kept', () => {
  assert.is(given.left.filter((name) => name.startsWith('nv-wal-demo-')).length, 1);
});

it('a Ctrl-C ends all of it, and leaves nothing to look at', () => {
  assert.is(interrupted.code, 1);
  assert.is(interrupted.stderr.at(-1), 'nv-wal: interrupted');
  assert.not.ok(interrupted.left.some((name) => name.startsWith('nv-wal-demo-')));
});

it.run();

async function playMade(): Promise<Played> {
  return await played((varDir) =>
    nvWal(['demo', '--records', '300', '--json'], { env: { VAR_DIR: varDir } }),
  );
}

async function playGiven(): Promise<Played> {
  return await played(async (varDir) => {
    const file = join(varDir, 'some.ndjson');
    await writeFile(file, '{"n":1}\n{"kind":"billing","record":{"n":2}}\n');
    return await nvWal(['demo', file, '-', '--var-dir', varDir], { input: '{"n":3}\nnot json\n' });
  });
}

async function playInterrupted(): Promise<Played> {
  return await played(async (varDir) => {
    const running = start(['demo', '--records', '10', '--var-dir', varDir]);
    const [, url] = await running.printed(/listens on (\S+),/);
    running.process.kill('SIGINT');
    const ran = await running.ended;
    let there = true;
    void fetch(url!).catch(() => (there = false));
    await until(() => !there, 'the receiver is gone');
    return ran;
  });
}

async function played(play: (varDir: string) => Promise<Ran>): Promise<Played> {
  let result: Played | undefined;
  await withFolder(async (varDir) => {
    const ran = await play(varDir);
    result = { ...ran, left: await readdir(varDir) };
  });
  return result!;
}
