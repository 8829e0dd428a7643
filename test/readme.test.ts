// What the README shows is what happens.

import { execFile } from 'node:child_process';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveAlerts } from '../lib/alert-options.js';
import { METRICS } from '../lib/operate/metrics.js';
import { loader } from './helpers/compile.js';
import { withFolder } from './helpers/folder.js';

const it = suite('readme');
const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the first example under a heading, in an empty folder, and yields what it prints. */
async function runExample(heading: string): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const section = readme.slice(readme.indexOf(`\n${heading}\n`));
  const example = /```js\n(.*?)```/s.exec(section)?.[1];
  assert.ok(example && readme.includes(`\n${heading}\n`), `the README has an example under "${heading}"`);
  let printed = '';
  await withFolder(async (dir) => {
    // From the sources: the package may not be built here.
    const script = example
      .replace("'@nv/wal'", `'${join(root, 'lib/index.ts')}'`)
      .replace("'@nv/wal/ingest'", `'${join(root, 'lib/ingest/index.ts')}'`)
      .replace("'@nv/wal/audit'", `'${join(root, 'lib/adapters/audit.ts')}'`)
      .replace("'@nv/wal/logger'", `'${join(root, 'lib/adapters/logger.ts')}'`)
      .replace(/'(level|zod)'/, (_, name: string) => `'${import.meta.resolve(name)}'`);
    await writeFile(join(dir, 'example.mjs'), script);
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', loader(), 'example.mjs'], {
      cwd: dir,
    });
    printed = stdout;
  });
  return printed;
}

it('the example runs as it stands', async () => {
  const printed = await runExample('## Ten lines');
  assert.match(printed, /^[0-9A-Z]{16}:audit:1 arrived; the receiver has 1\n$/);
});

it('the example of a sink runs as it stands', async () => {
  assert.match(await runExample('### Write a sink'), /^[0-9A-Z]{16}:log:1 up\n$/);
});

it('the example of audit events runs as it stands', async () => {
  assert.is(await runExample('### Audit'), 'u-2: payout begun\n');
});

it('the example of a schema runs as it stands', async () => {
  const says = /^a record of 'billing' does not fit its schema: lines\.0\.cents: Invalid input: .*\n$/;
  assert.match(await runExample('### Schemas'), says);
});

it('the example of personal data runs as it stands', async () => {
  const says = /^hmac-sha256: \{ password: '\[REDACTED\]', size: 7 \}\n$/;
  assert.match(await runExample('### Personal data'), says);
});

it('the example of the logger runs as it stands', async () => {
  const lines = (await runExample('### Logger')).trim().split('\n');
  assert.equal(
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ['invoice sent', 'tick'],
  );
});

it('every metric and every alert is in it', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const alerts = Object.keys(resolveAlerts({}, 1));
  for (const name of [...METRICS.keys(), ...alerts]) assert.match(readme, new RegExp(`\\b${name}\\b`));
});

it('every error code and every environment variable is in it', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const codes = new Set((await readFile(join(root, 'lib/errors.ts'), 'utf8')).match(/WAL_[A-Z_]+/g));
  const variables = new Set(
    (await readFile(join(root, 'lib/environment.ts'), 'utf8')).match(/\b(WAL_[A-Z0-9_]+|VAR_DIR)\b/g),
  );
  assert.ok(codes.size >= 11 && variables.size >= 11);
  for (const name of [...codes, ...variables]) assert.match(readme, `\`${name}\``);
});

it('every file that it points at is there', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const links = [...readme.matchAll(/\]\(((?:lib|test|migrations)\/[^)]+)\)/g)].map(([, path]) => path!);
  assert.ok(links.length > 20);
  for (const path of links) await access(join(root, path));
});

it.run();
