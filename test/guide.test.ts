// The README's way from files or direct HTTP to this, step by step, as it stands there; and with the files of the
// older gateway, where they are.

import { execFile, spawnSync } from 'node:child_process';
import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { WalStats } from '../lib/index.js';
import { Wal } from '../lib/index.js';
import { MAIN, TOKEN_ENV, plainEnvironment } from './cli/nv-wal.js';
import { withFolder } from './helpers/folder.js';
import type { Receiver } from './helpers/receiver.js';
import { withReceiver } from './helpers/receiver.js';
import { skipIf } from './helpers/skip.js';

const it = suite('guide');
const root = fileURLToPath(new URL('..', import.meta.url));
const LEGACY = join(root, '..', 'shared', 'data', 'legacy-wal');
const noLegacy = !existsSync(LEGACY) && 'the files of the older gateway are not beside the project';

const noJq = spawnSync('jq', ['--version']).error !== undefined && 'needs jq';

interface Guide {
  before: string;
  environment: string;
  importing: string;
  once: string;
  after: string;
  checking: string;
}

async function readGuide(): Promise<Guide> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, section] = /\n## From files or direct HTTP to this\n(.*?)\n## /s.exec(readme) ?? [];
  assert.ok(section, 'the README has the guide');
  const blocks = (language: string) =>
    [...section.matchAll(new RegExp('```' + language + '\\n(.*?)```', 'gs'))].map(([, block]) => block!);
  const [before, after, ...moreJs] = blocks('js');
  const [environment, importing, once, checking, ...moreSh] = blocks('sh');
  assert.equal([moreJs, moreSh], [[], []], 'every block is run here');
  return {
    before: before!,
    environment: environment!,
    importing: importing!,
    once: once!,
    after: after!,
    checking: checking!,
  };
}

interface Service {
  varDir: string;
  receiver: Receiver;
  /** Runs a block of shell or of JavaScript; returns what it printed. */
  sh: (script: string) => Promise<string>;
  js: (script: string) => Promise<string>;
}

async function withService(use: (service: Service) => Promise<void>): Promise<void> {
  await withFolder(async (varDir) => {
    await withReceiver({}, async (receiver) => {
      const AUDIT_URL = 'http://127.0.0.1:9/';
      const env = {
        ...plainEnvironment(),
        ...TOKEN_ENV,
        VAR_DIR: varDir,
        WAL_BASE_URL: receiver.url,
        AUDIT_URL,
      };
      const run = async (command: string, args: string[]) =>
        (await promisify(execFile)(command, args, { env, cwd: varDir })).stdout;
      await use({
        varDir,
        receiver,
        sh: async (script) =>
          await run('sh', ['-ec', script.replaceAll(/^nv-wal /gm, `'${process.execPath}' '${MAIN}' `)]),
        js: async (script) => {
          const file = join(varDir, 'service.mjs');
          const index = pathToFileURL(join(dirname(MAIN), '..', 'index.js')).href;
          await writeFile(file, script.replace("'@nv/wal'", `'${index}'`));
          return await run(process.execPath, [file]);
        },
      });
    });
  });
}

async function lastSeqAtReceiver({ receiver }: Service): Promise<unknown[]> {
  const answer = await fetch(`${receiver.url}/api/logs`, {
    headers: { authorization: `Bearer ${await receiver.token({ sub: 'gateway' })}` },
  });
  const { logs } = (await answer.json()) as { logs: { lastSeq: number; missing: number }[] };
  return logs.map(({ lastSeq, missing }) => [lastSeq, missing]);
}

async function recordsOf(varDir: string): Promise<unknown[]> {
  await using wal = await Wal.openFolder(join(varDir, 'nv-wal', 'gateway', 'main'));
  const records = [];
  for await (const item of wal.read('audit')) records.push('record' in item && item.record);
  return records;
}

it('leads from files and requests to a receiver that has everything once', async () => {
  const guide = await readGuide();
  await withService(async (service) => {
    const { varDir, sh, js } = service;
    await js(guide.before);
    const [old] = await readdir(join(varDir, 'nv-gateway-wal'));
    const lines = (await readFile(join(varDir, 'nv-gateway-wal', old!), 'utf8')).trimEnd().split('\n');
    const blobs = lines.map((line) => (JSON.parse(line) as { blob: unknown }).blob);
    assert.is(blobs.length, 2);
    assert.match(await sh(guide.importing), /^imported 2 records from 1 file/);
    assert.equal(await recordsOf(varDir), blobs);
    await js(guide.after);
    assert.equal(await lastSeqAtReceiver(service), [[3, 0]]);
    // Any step that finds something ends it.
    const [stats] = (await sh(guide.checking)).split('\n');
    const { streams } = JSON.parse(stats!) as WalStats;
    assert.is(streams['audit']!.shippers['default']!.backlogRecords, 0);
    assert.not.ok(existsSync(join(varDir, 'nv-gateway-wal')));
  });
});

it('names variables that there are', async () => {
  const { environment } = await readGuide();
  const known = await readFile(join(root, 'lib', 'environment.ts'), 'utf8');
  const names = [...environment.matchAll(/(\w+)=/g)].map(([, name]) => name!);
  assert.ok(names.length >= 5);
  for (const name of names) assert.match(known, `'${name}'`);
});

skipIf(it, noJq)('makes one file of each event, if duplicates are not wanted', async () => {
  const { before, once } = await readGuide();
  await withService(async ({ varDir, sh, js }) => {
    await js(before);
    const dir = join(varDir, 'nv-gateway-wal');
    const [old] = await readdir(dir);
    await cp(join(dir, old!), join(dir, 'wal-1.ldjson'));
    await sh(once);
    const lines = (await readFile(join(varDir, 'old.ndjson'), 'utf8')).trimEnd().split('\n');
    assert.equal(
      lines.map((line) => (JSON.parse(line) as { blob: { phase: string } }).blob.phase),
      ['begin', 'end'],
    );
  });
});

skipIf(it, noLegacy)('takes what the older gateway left behind, each line once and as it is', async () => {
  const guide = await readGuide();
  await withService(async (service) => {
    const { varDir, sh, js } = service;
    const dir = join(varDir, 'nv-gateway-wal');
    await cp(LEGACY, dir, { recursive: true, mode: 0 });
    const files = (await readdir(dir, { recursive: true }))
      .filter((name) => name.endsWith('.ldjson'))
      .toSorted();
    const texts = await Promise.all(files.map(async (name) => await readFile(join(dir, name), 'utf8')));
    const blobs = texts.flatMap((text) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { blob: unknown }).blob),
    );
    assert.is(blobs.length, 2098);
    assert.match(
      await sh(guide.importing),
      new RegExp(`^imported ${blobs.length.toLocaleString('en')} records from 41 files`),
    );
    assert.match(await sh(guide.importing), /^imported 0 records/);
    assert.equal(await recordsOf(varDir), blobs);
    await js(guide.after);
    assert.equal(await lastSeqAtReceiver(service), [[2099, 0]]);
  });
});

it.run();
