import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveConfig } from '../lib/config.js';
import { walOptionsFromEnv } from '../lib/environment.js';
import { WalError } from '../lib/errors.js';
import { withFolder } from './helpers/folder.js';

const it = suite('environment');

const SECRET = 'swordfish-swordfish-swordfish-swordfish';
const VAR = { VAR_DIR: '/var/lib/test' };
const SINK = {
  ...VAR,
  WAL_BASE_URL: 'https://logs.internal/base',
  WAL_S2S_ISSUER: 'gateway',
  WAL_S2S_AUDIENCE: 'logs',
  WAL_S2S_SECRET: SECRET,
};

function refusal(env: NodeJS.ProcessEnv, service = 'gateway'): string {
  try {
    walOptionsFromEnv(service, env);
  } catch (error) {
    assert.instance(error, WalError);
    assert.is((error as WalError).code, 'WAL_CONFIG');
    return (error as WalError).message;
  }
  return assert.unreachable('it was taken') as never;
}

it('VAR_DIR alone is enough, and the rest are the documented defaults', () => {
  const options = walOptionsFromEnv('gateway', VAR);
  assert.equal(options, {
    service: 'gateway',
    varDir: '/var/lib/test',
    batchMax: 2000,
    maxBytes: 268_435_456,
    maxAgeMs: 86_400_000,
  });
  resolveConfig(options, {});
});

it('every variable is read', () => {
  const env = {
    ...SINK,
    WAL_BATCH_MAX: '500',
    WAL_MAX_BYTES: '1048576',
    WAL_MAX_AGE_H: '1.5',
    WAL_GZIP: 'false',
    WAL_SIGNING_SECRET: `${SECRET}!`,
  };
  assert.equal(walOptionsFromEnv('gateway', env), {
    service: 'gateway',
    varDir: '/var/lib/test',
    batchMax: 500,
    maxBytes: 1_048_576,
    maxAgeMs: 5_400_000,
    sink: {
      baseUrl: 'https://logs.internal/base',
      gzip: false,
      token: { issuer: 'gateway', audience: 'logs', secret: SECRET },
      signingKey: `${SECRET}!`,
    },
  });
});

const CASES: [claim: string, env: NodeJS.ProcessEnv, says: string[]][] = [
  ['no VAR_DIR', {}, ['VAR_DIR is missing']],
  ['an empty VAR_DIR', { VAR_DIR: '' }, ['VAR_DIR is missing']],
  ['a batch size with a unit', { ...VAR, WAL_BATCH_MAX: '2k' }, ['WAL_BATCH_MAX', '"2k"']],
  ['an empty batch size', { ...VAR, WAL_BATCH_MAX: '' }, ['WAL_BATCH_MAX', '""']],
  ['a batch size of none', { ...VAR, WAL_BATCH_MAX: '0' }, ['WAL_BATCH_MAX', '1 to 100000', '0']],
  ['a batch size that is too large', { ...VAR, WAL_BATCH_MAX: '100001' }, ['WAL_BATCH_MAX', '100001']],
  ['bytes with a unit', { ...VAR, WAL_MAX_BYTES: '256MB' }, ['WAL_MAX_BYTES', '"256MB"']],
  ['negative bytes', { ...VAR, WAL_MAX_BYTES: '-1' }, ['WAL_MAX_BYTES', '"-1"']],
  ['too few bytes', { ...VAR, WAL_MAX_BYTES: '1048575' }, ['WAL_MAX_BYTES', '>= 1048576']],
  ['bytes as a power', { ...VAR, WAL_MAX_BYTES: '1e9' }, ['WAL_MAX_BYTES', '"1e9"']],
  ['hours with a unit', { ...VAR, WAL_MAX_AGE_H: '24h' }, ['WAL_MAX_AGE_H', '"24h"']],
  ['no hours', { ...VAR, WAL_MAX_AGE_H: '0' }, ['WAL_MAX_AGE_H', '"0"']],
  ['hours that are none', { ...VAR, WAL_MAX_AGE_H: '' }, ['WAL_MAX_AGE_H', '""']],
  ['hours without end', { ...VAR, WAL_MAX_AGE_H: '9'.repeat(20) }, ['WAL_MAX_AGE_H']],
  ['an empty base URL', { ...SINK, WAL_BASE_URL: '' }, ['WAL_BASE_URL is missing']],
  ['a base URL that is none', { ...SINK, WAL_BASE_URL: 'logs' }, ['WAL_BASE_URL', '"logs"']],
  ['gzip that is neither', { ...SINK, WAL_GZIP: 'yes' }, ['WAL_GZIP', "'true' or 'false'", '"yes"']],
  ['no issuer', { ...SINK, WAL_S2S_ISSUER: undefined }, ['WAL_S2S_ISSUER is missing']],
  ['an empty audience', { ...SINK, WAL_S2S_AUDIENCE: '' }, ['WAL_S2S_AUDIENCE is missing']],
  [
    'neither secret nor key file',
    { ...SINK, WAL_S2S_SECRET: undefined },
    ['WAL_S2S_SECRET', 'WAL_S2S_KEY_FILE'],
  ],
  [
    'both secret and key file',
    { ...SINK, WAL_S2S_KEY_FILE: '/key' },
    ['WAL_S2S_SECRET', 'WAL_S2S_KEY_FILE', 'both'],
  ],
  ['a short secret', { ...SINK, WAL_S2S_SECRET: 'swordfish' }, ['WAL_S2S_SECRET', '9 bytes']],
  ['an empty secret', { ...SINK, WAL_S2S_SECRET: '' }, ['WAL_S2S_SECRET', '0 bytes']],
  ['a short signing secret', { ...SINK, WAL_SIGNING_SECRET: 'swordfish' }, ['WAL_SIGNING_SECRET', '9 bytes']],
  [
    'a key file that is not there',
    { ...SINK, WAL_S2S_SECRET: undefined, WAL_S2S_KEY_FILE: '/no/such/key' },
    ['WAL_S2S_KEY_FILE', '/no/such/key'],
  ],
  ['a password in the base URL', { ...SINK, WAL_BASE_URL: 'https://me:swordfish@logs' }, ['WAL_BASE_URL']],
];

for (const [claim, env, says] of CASES) {
  it(`${claim} is refused by its name, and no secret is shown`, () => {
    const message = refusal(env);
    for (const text of says) assert.match(message, text);
    assert.not.match(message, 'swordfish');
  });
}

it('half a sink is refused, not left out', () => {
  for (const name of Object.keys(SINK)) {
    if (name === 'VAR_DIR' || name === 'WAL_BASE_URL') continue;
    const message = refusal({ ...VAR, [name]: SECRET });
    assert.match(message, `${name} is set, but WAL_BASE_URL is missing`);
    assert.not.match(message, 'swordfish');
  }
});

it('a service that is none is refused', () => {
  assert.match(refusal(VAR, 'Gate Way'), 'service');
});

it('a key file is read as it is', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'key.pem');
    await writeFile(path, '-----BEGIN PRIVATE KEY-----\n');
    const { sink } = walOptionsFromEnv('gateway', {
      ...SINK,
      WAL_S2S_SECRET: undefined,
      WAL_S2S_KEY_FILE: path,
    });
    assert.equal(sink?.token, { issuer: 'gateway', audience: 'logs', key: '-----BEGIN PRIVATE KEY-----\n' });
  });
});

it.run();
