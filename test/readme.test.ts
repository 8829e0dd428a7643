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
import { withFolder } from './helpers/folder.js';

const it = suite('readme');
const root = fileURLToPath(new URL('..', import.meta.url));

it('the example runs as it stands', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const example = /## Ten lines\n+```js\n(.*?)```/s.exec(readme)?.[1];
  assert.ok(example, 'the README has an example under "Ten lines"');
  await withFolder(async (dir) => {
    // From the sources: the package may not be built here.
    const script = example
      .replace("'@nv/wal'", `'${join(root, 'lib/index.ts')}'`)
      .replace("'@nv/wal/ingest'", `'${join(root, 'lib/ingest/index.ts')}'`);
    await writeFile(join(dir, 'example.mjs'), script);
    const tsx = import.meta.resolve('tsx');
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', tsx, 'example.mjs'], {
      cwd: dir,
    });
    assert.match(stdout, /^[0-9A-Z]{16}:audit:1 arrived; the receiver has 1\n$/);
  });
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
