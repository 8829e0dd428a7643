import { readdirSync } from 'node:fs';
import type { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeProgram } from '../../lib/cli/program.js';
import { withFolder } from '../helpers/folder.js';
import { TOKEN_ENV, appendNumbers, nvWal, withLog } from './nv-wal.js';

const it = suite('cli/program');

it('every command has --json, and a help with an example of it', () => {
  const { commands } = makeProgram();
  const named = new Map(commands.map((command) => [command.name(), command]));
  assert.equal([...named.keys()].toSorted(), [
    'compact',
    'complete',
    'completion',
    'demo',
    'demo-producer',
    'dump',
    'evict',
    'export',
    'forget',
    'import',
    'inspect',
    'migrate',
    'replay',
    'serve',
    'ship',
    'stats',
    'tail',
    'verify',
  ]);
  // What the demo starts and what a shell's script asks are nobody else's to know.
  for (const hidden of ['demo-producer', 'complete']) named.delete(hidden);
  for (const [name, command] of named) {
    const help = helpOf(command);
    assert.match(help, new RegExp(`Example:\n.*nv-wal ${name}`), name);
    assert.match(help, '--json', name);
  }
});

// What is wrong, and the one line that says so.
const MISTAKES: [args: string[], says: RegExp][] = [
  [['serv'], /^nv-wal: unknown command 'serv' \(Did you mean serve\?\)$/],
  [['help', 'serv'], /^nv-wal: unknown command 'serv' \(Did you mean serve\?\)$/],
  [['dump', '--dir', '/tmp', '--from', '9', '--to', '3'], /^nv-wal: expected --to \(3\)/],
  [['evict', '--dir', '/tmp', '--max-bytes', '12x'], /^nv-wal: option '--max-bytes <size>' argument '12x'/],
];

it('a command line that makes no sense is one line on stderr, and exit code 2', async () => {
  const rans = await Promise.all(MISTAKES.map(([args]) => nvWal(args)));
  for (const [index, [args, says]] of MISTAKES.entries()) {
    const { code, stdout, stderr } = rans[index]!;
    assert.equal([code, stdout, stderr.length], [2, '', 1], `${args.join(' ')}: ${stderr.join('\n')}`);
    assert.match(stderr[0]!, says);
  }
});

it('a folder that is no log is one line, exit code 1, and nothing is made there', async () => {
  await withFolder(async (folder) => {
    const { code, stderr } = await nvWal(['stats', '--service', 'gateway'], { env: { VAR_DIR: folder } });
    assert.equal([code, stderr], [1, [`nv-wal: no log in ${folder}/nv-wal/gateway/main (WAL_CONFIG)`]]);
    assert.equal(readdirSync(folder), []);
  });
});

/** What each command needs beside the log. */
const COMMANDS: readonly string[][] = [
  ['stats'],
  ['dump'],
  ['verify'],
  ['compact'],
  ['migrate'],
  ['evict', '--max-bytes', '1MB'],
  ['replay', '--from', '1'],
  ['forget', '--kind', 'audit', '--shipper', 'default'],
  ['ship', '--once'],
  ['import', 'records.ndjson'],
];

it('a folder that is no log is one line, and nothing is made there', async () => {
  await withFolder(async (folder) => {
    const rans = await Promise.all(COMMANDS.map((command) => nvWal([...command, '--dir', folder])));
    for (const [n, { code, stdout, stderr }] of rans.entries()) {
      assert.equal([code, stdout, stderr.length], [1, '', 1], `${COMMANDS[n]![0]}: ${stderr.join('\n')}`);
      assert.match(stderr[0]!, `nv-wal: no log in ${folder}`);
    }
    assert.equal(readdirSync(folder), []);
  });
});

it('a kind that is none of the log’s is one line, and exit code 2', async () => {
  await withLog(
    (wal) => appendNumbers(wal, 'audit', 1),
    async ({ at }) => {
      // One after the other: the log is one process's at a time.
      for (const command of [
        ['evict', '--max-bytes', '1MB'],
        ['forget', '--shipper', 'default'],
        ['ship', '--once'],
      ]) {
        const env = { ...TOKEN_ENV, WAL_BASE_URL: 'http://127.0.0.1:1' };
        const { code, stdout, stderr } = await nvWal([...command, ...at, '--kind', 'billing'], { env });
        assert.equal([code, stdout, stderr.length], [2, '', 1], `${command[0]}: ${stderr.join('\n')}`);
        assert.match(stderr[0]!, /^nv-wal: no stream 'billing'/);
      }
    },
  );
});

it.run();

function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  return help;
}
