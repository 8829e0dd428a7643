import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../lib/clock.js';
import type { WalOptions } from '../lib/config.js';
import { DEFAULTS, checkBaseUrl, checkSecret, resolveConfig } from '../lib/config.js';
import { WalError } from '../lib/errors.js';

const it = suite('config');

const BASE = { service: 'gateway', varDir: '/var/lib/test' };

/** The message of a WAL_CONFIG; anything else fails. */
function refusal(resolve: () => unknown): string {
  try {
    resolve();
  } catch (error) {
    assert.instance(error, WalError);
    assert.is((error as WalError).code, 'WAL_CONFIG');
    return (error as WalError).message;
  }
  return assert.unreachable('it was taken') as never;
}

function resolveWith(options: Record<string, unknown>) {
  return resolveConfig({ ...BASE, ...options }, {});
}

it('defaults are what the documentation says', () => {
  const config = resolveConfig(BASE, {});
  const { service, instance, varDir, maxBytes, maxAgeMs, batchMax, reserveBytes, clock } = config;
  assert.equal(
    { service, instance, varDir, maxBytes, maxAgeMs, batchMax, reserveBytes },
    {
      ...BASE,
      instance: 'main',
      maxBytes: 268_435_456,
      maxAgeMs: 86_400_000,
      batchMax: 2000,
      reserveBytes: 25_165_824,
    },
  );
  assert.is(clock, systemClock);
  assert.is(config.alerts.backlogBytes, maxBytes / 2);
  assert.equal([...config.streams.keys()], ['log', 'audit']);
  assert.is(config.streams.get('log')?.whenFull, 'drop-oldest');
  assert.is(config.streams.get('audit')?.whenFull, 'reject');
  for (const policy of config.streams.values()) {
    const { commitDelayMs, shippers, keepDeliveredBytes, maxRecordBytes } = policy;
    assert.equal({ commitDelayMs, shippers, keepDeliveredBytes, maxRecordBytes }, DEFAULTS.stream);
  }
});

it('what is validated is frozen, and a copy', () => {
  const shippers = ['default', 'siem'];
  const config = resolveWith({ streams: { audit: { shippers } } });
  shippers.push('later');
  assert.equal(config.streams.get('audit')?.shippers, ['default', 'siem']);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.streams.get('audit')));
});

it('VAR_DIR stands in for varDir, and one of the two is needed', () => {
  assert.is(resolveConfig({ service: 'a' }, { VAR_DIR: '/there' }).varDir, '/there');
  assert.is(resolveConfig({ service: 'a', varDir: '/here' }, { VAR_DIR: '/there' }).varDir, '/here');
  for (const env of [{}, { VAR_DIR: '' }]) {
    assert.match(
      refusal(() => resolveConfig({ service: 'a' }, env)),
      'varDir is missing',
    );
  }
});

it('a relative varDir is where the process was when it was given', () => {
  assert.is(resolveWith({ varDir: 'var' }).varDir, join(process.cwd(), 'var'));
  assert.is(resolveWith({ varDir: '/a/../b/' }).varDir, '/b');
});

/** Values that an option does not take; the message holds its name and the value. */
const REFUSED: Record<string, unknown[]> = {
  service: [undefined, '', 'Gateway', '../up', '-a', 'a/b', 'a'.repeat(65), 7, 'a b', '.'],
  instance: ['', 'MAIN', '..', 'a/b', 7],
  varDir: [7, true, {}],
  maxBytes: [0, -1, 1_048_575, 1.5, '256MB', NaN, Infinity, 2 ** 53],
  maxAgeMs: [0, 999, -1000, 1000.5, '24h', Infinity],
  batchMax: [0, -1, 1.5, 100_001, '2000'],
  reserveBytes: [-1, 0.5, '24MiB'],
  onEvent: ['console.log', 7, {}],
  adopt: ['yes', 1, 'false'],
  alerts: ['all', 7, true],
  streams: ['log', 7, true],
};

for (const [option, values] of Object.entries(REFUSED)) {
  it(`${option} names itself and the value that it does not take`, () => {
    for (const value of values) {
      const message = refusal(() => resolveWith({ [option]: value }));
      assert.match(message, option);
      const shown = JSON.stringify(value) ?? String(value);
      assert.match(message, `got ${shown}`.slice(0, 100));
    }
  });
}

const REFUSED_POLICY: Record<string, unknown[]> = {
  whenFull: ['drop', '', 7, null],
  commitDelayMs: [-1, 60_001, 0.5, '100'],
  shippers: [[], 'default', ['a', 'a'], ['Default'], [''], [7], null],
  keepDeliveredBytes: [-1, 1.5, '1MB'],
  maxBytes: [0, 65_535, '64KB'],
  maxAgeMs: [0, 999, 'never'],
  maxRecordBytes: [0, 1_048_577, 1.5, '1MB'],
};

for (const [option, values] of Object.entries(REFUSED_POLICY)) {
  it(`streams.audit.${option} names itself and the value that it does not take`, () => {
    for (const value of values) {
      const message = refusal(() => resolveWith({ streams: { audit: { [option]: value } } }));
      assert.match(message, `streams.audit.${option}`);
      assert.match(message, 'got ');
    }
  });
}

it('bounds themselves are taken', () => {
  const audit = {
    commitDelayMs: 60_000,
    shippers: ['a'],
    keepDeliveredBytes: 0,
    maxBytes: 65_536,
    maxAgeMs: 1000,
    maxRecordBytes: 1,
  };
  const config = resolveWith({ maxBytes: 1_048_576, maxAgeMs: 1000, batchMax: 100_000, streams: { audit } });
  assert.equal({ ...config.streams.get('audit') }, { whenFull: 'reject', ...audit });
});

it('another kind must say what happens when it is full', () => {
  assert.match(
    refusal(() => resolveWith({ streams: { billing: {} } })),
    'streams.billing.whenFull',
  );
  const config = resolveWith({ streams: { billing: { whenFull: 'reject' } } });
  assert.equal([...config.streams.keys()], ['log', 'audit', 'billing']);
});

it('a kind that is none is refused by its name', () => {
  for (const kind of ['Log', '1st', 'a b', '', 'a'.repeat(33), 'a!b']) {
    const message = refusal(() => resolveWith({ streams: { [kind]: { whenFull: 'reject' } } }));
    assert.match(message, `streams['${kind}']`);
  }
});

it('a misspelt option does not silently mean its default', () => {
  assert.match(
    refusal(() => resolveWith({ maxByte: 1 })),
    "no 'maxByte'",
  );
  assert.match(
    refusal(() => resolveWith({ streams: { log: { shipper: ['a'] } } })),
    "streams.log has no 'shipper'",
  );
  assert.match(
    refusal(() => resolveConfig(null as unknown as WalOptions, {})),
    'options',
  );
});

it('a long value is cut in the message', () => {
  assert.ok(refusal(() => resolveWith({ service: 'x'.repeat(5000) })).length < 300);
});

it('a secret of too few bytes is refused without showing it', () => {
  const secret = 'swordfish-swordfish';
  const message = refusal(() => checkSecret('token.secret', secret));
  assert.match(message, 'token.secret');
  assert.match(message, '19 bytes');
  assert.not.match(message, 'swordfish');
  assert.not.match(
    refusal(() => checkSecret('token.secret', { secret })),
    'swordfish',
  );
  assert.is(checkSecret('token.secret', 'ü'.repeat(16)), 'ü'.repeat(16));
});

it('a base URL is http or https, and nothing but a place', () => {
  for (const url of ['http://127.0.0.1:8080', 'https://logs.internal/base/path/']) {
    assert.is(checkBaseUrl('baseUrl', url).href, new URL(url).href);
  }
  const refused = [
    '',
    'logs.internal',
    'ftp://logs',
    'https://logs?x=1',
    'https://logs#x',
    7,
    undefined,
    null,
  ];
  for (const url of refused)
    assert.match(
      refusal(() => checkBaseUrl('baseUrl', url)),
      'baseUrl',
    );
});

it('a user, a password or a token in a base URL is refused without showing it', () => {
  const refused = [
    'https://me:swordfish@logs',
    'https://:swordfish@logs',
    'https://swordfish@logs/x',
    'https://logs/?token=swordfish',
    'https://logs/#swordfish',
    'ftp://me:sword@fish:swordfish@logs',
  ];
  for (const url of refused) {
    const message = refusal(() => checkBaseUrl('baseUrl', url));
    assert.match(message, 'baseUrl');
    assert.not.match(message, 'swordfish');
  }
});

it.run();
