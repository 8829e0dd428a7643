// `npm run check` can only promise what its linter finds: each rule that the design leans on is broken here
// once, in a scratch project with this project's settings. A `// !` marks the lines that must be found.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const it = suite('helpers/lint');

it('a promise that nobody awaits is found, whatever shape it has', () => {
  const found = lint({
    'lib/wal.ts': `
      const write = async () => {};
      export async function close(list: string[]) {
        write(); // !
        void write();
        await write();
        list.forEach(async () => { // !
          await write();
        });
        if (write()) await 1; // !
      }
    `,
  });
  assert.equal(found, ['lib/wal.ts']);
});

it('imports go one way between the rooms', () => {
  const found = lint({
    'lib/errors.ts': `export * from './log/read.js'; // !`,
    'lib/wal.ts': `
      export * from './log/read.js';
      export * from './ship/shipper.js';
      export * from 'level'; // !
    `,
    'lib/log/commit.ts': `
      export * from './read.js';
      export * from '../errors.js';
      export type * from '../ship/sink.js'; // !
      export * from '../operate/metrics.js'; // !
      export * from '../wal.js'; // !
      export * from 'level'; // !
    `,
    'lib/log/store.ts': `
      export * from 'level';
      export * from '../ingest/index.js'; // !
    `,
    'lib/ship/sinks/http.ts': `
      export * from '../sink.js';
      export * from '../../log/read.js';
      export * from '../../log/ledger.js';
      export * from '../../log/store.js'; // !
      export * from '../../wal.js'; // !
    `,
    'lib/ingest/handler.ts': `
      export * from '../records.js';
      export * from './level-store.js';
      export * from '../log/gzip.js'; // !
      export * from '../ship/outcome.js'; // !
      export * from 'level'; // !
    `,
    'lib/ingest/level-store.ts': `
      export * from 'level';
      export * from '../log/keyspace.js'; // !
    `,
    'lib/import/line.ts': `
      export * from '../log/keyspace.js';
      export * from '../ship/shipper.js'; // !
    `,
    'lib/cli/dump.ts': `
      export * from '../index.js';
      export * from '../ingest/index.js';
      export * from '../ingest/handler.js'; // !
      export * from '../log/read.js'; // !
      await import('../wal.js'); // !
    `,
    'lib/adapters/logger.ts': `
      export * from '../index.js';
      export * from './policy.js';
      export * from '../clock.js'; // !
      export * from '../ingest/index.js'; // !
    `,
  });
  assert.is(found.length, 10);
});

it('time is read by the clock, and by nothing below it', () => {
  const found = lint({
    'lib/clock.ts': `export const now = () => Date.now();`,
    'lib/log/retention.ts': `export const now = () => Date.now(); // !`,
    'lib/ship/delivery.ts': `export const now = () => performance.now(); // !`,
  });
  assert.is(found.length, 2);
});

it.run();

/**
 * Lints files in a scratch project, and asserts that it finds something in the marked lines and nothing in
 * any other.
 *
 * @returns The files in which it found something.
 */
function lint(files: Record<string, string>): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'nv-wal-lint-'));
  try {
    for (const name of ['.oxlintrc.json', 'tsconfig.json']) cpSync(name, join(folder, name));
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text.trim());
    }
    const oxlint = resolve('node_modules/.bin/oxlint');
    const options = { cwd: folder, encoding: 'utf8', timeout: 60_000 } as const;
    const { stdout, stderr } = spawnSync(oxlint, ['--format', 'unix', 'lib'], options);
    const found = new Set([...stdout.matchAll(/^(\S+?:\d+):/gm)].map(([, line]) => line!));
    assert.equal([...found].toSorted(), markedLines(files).toSorted(), (stdout + stderr).slice(0, 4000));
    return [...new Set([...found].map((line) => line.split(':')[0]!))];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function markedLines(files: Record<string, string>): string[] {
  return Object.entries(files).flatMap(([name, text]) =>
    text
      .trim()
      .split('\n')
      .flatMap((line, index) => (line.includes('// !') ? [`${name}:${index + 1}`] : [])),
  );
}
