import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complete } from '../../lib/cli/complete.js';
import { makeProgram } from '../../lib/cli/program.js';
import { withFolder } from '../helpers/folder.js';
import { withWal } from '../helpers/wal.js';

const it = suite('cli/complete');

/** What may stand in the place of a line's last word. */
async function at(line: string): Promise<string[]> {
  const completions = await complete(makeProgram(), line.split(' '));
  return completions.is === 'values' ? completions.values.map(({ value }) => value) : [completions.is];
}

it('commands, their options, and no option twice', async () => {
  assert.equal(await at('st'), ['stats']);
  const commands = await at('');
  assert.ok(commands.includes('tail') && commands.includes('help'));
  // Hidden: what scripts ask, and what the demo starts.
  assert.not(commands.includes('complete') || commands.includes('demo-producer'));
  assert.equal(await at('--v'), ['--version']);
  assert.equal(await at('help st'), ['stats']);
  assert.equal(await at('tail --f'), ['--follow']);
  assert.equal(await at('tail --follow --f'), []);
  assert.equal(await at('tail -f --f'), []);
  assert.ok((await at('tail ')).includes('--kind'));
  assert.ok((await at('tail --lines 3 ')).includes('--kind'));
  assert.equal(await at('nothing '), []);
  assert.equal(await at('tail x'), []);
});

it('values, whichever way they are given, and paths', async () => {
  assert.equal(await at('tail --kind '), ['audit', 'log']);
  assert.equal(await at('tail --kind=l'), ['--kind=log']);
  // As bash takes them apart.
  assert.equal(await at('tail --kind ='), ['audit', 'log']);
  assert.equal(await at('tail --kind = l'), ['log']);
  assert.equal(await at('tail --lines '), []);
  assert.equal(await at('completion '), ['bash', 'zsh', 'fish']);
  assert.equal(await at('import --kind log '), ['files']);
  assert.equal(await at('import one.ndjson two'), ['files']);
  assert.equal(await at('export '), ['folders']);
  assert.ok((await at('export somewhere ')).includes('--service'));
  assert.equal(await at('stats --dir x'), ['folders']);
  assert.equal(await at('import -- --k'), ['files']);
});

it('services and instances by their folders; kinds and shippers of a log that a process holds', async () => {
  const streams = { billing: { whenFull: 'reject' as const, shippers: ['siem', 'default'] } };
  await withWal({ service: 'gateway', streams }, async (wal, { varDir }) => {
    await mkdir(join(varDir, 'nv-wal', 'gateway', 'other'));
    const log = `--var-dir ${varDir} --service gateway`;
    assert.equal(await at(`tail --var-dir ${varDir} --service `), ['gateway']);
    assert.equal((await at(`tail ${log} --instance `)).toSorted(), ['main', 'other']);
    assert.equal(await at(`tail --var-dir ${varDir} --instance `), []);
    assert.equal(await at(`tail ${log} --kind `), ['audit', 'billing', 'log']);
    assert.equal(await at(`tail --dir=${wal.dir} --kind b`), ['billing']);
    assert.equal(await at(`forget ${log} --kind billing --shipper s`), ['siem']);
    assert.equal(await at(`forget ${log} --kind audit --shipper s`), []);
    await wal.close();
    assert.equal(await at(`tail ${log} --kind b`), []);
  });
  await withFolder(async (varDir) => assert.equal(await at(`tail --var-dir ${varDir} --service `), []));
});

it.run();
