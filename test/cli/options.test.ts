import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../lib/cli/errors.js';
import { parseDuration, parseInteger, parseName, parseSize, placeOf } from '../../lib/cli/options.js';

const it = suite('cli/options');

it('sizes are bytes, or in units of 1,024', () => {
  const sizes: [string, number][] = [
    ['0', 0],
    ['1048576', 1_048_576],
    ['512KB', 524_288],
    ['64mb', 67_108_864],
    ['1.5GB', 1_610_612_736],
  ];
  for (const [text, bytes] of sizes) assert.is(parseSize(text), bytes, text);
  for (const text of ['', '12x', '64 MB', '-1', '1e3', '0x10', 'MB', '1.5', '99999999TB', '64MBs']) {
    assert.throws(() => parseSize(text), /Expected bytes/, text);
  }
});

it('times are ms, or in units', () => {
  const times: [string, number][] = [
    ['0', 0],
    ['1500', 1500],
    ['500ms', 500],
    ['60s', 60_000],
    ['90m', 5_400_000],
    ['12h', 43_200_000],
    ['1.5d', 129_600_000],
  ];
  for (const [text, ms] of times) assert.is(parseDuration(text), ms, text);
  for (const text of ['', 'garbage', '12 h', '-1s', '1y', '1w', 'h', '1.5', '12hours', '9e9s']) {
    assert.throws(() => parseDuration(text), /Expected a time/, text);
  }
});

it('integers keep to their range', () => {
  assert.is(parseInteger(0, 65_535)('65535'), 65_535);
  for (const text of ['65536', '-1', '1.5', ' 1', '1x', '']) {
    assert.throws(() => parseInteger(0, 65_535)(text), /Expected an integer from 0 to 65535/, text);
  }
  assert.throws(() => parseInteger(1)('0'), /of at least 1/);
  assert.throws(() => parseInteger(1)('99999999999999999'), /of at least 1/);
});

it('a service is a name, never a path', () => {
  for (const name of ['../etc', '.', '..', 'a/b', 'A', '', 'a'.repeat(65)]) {
    assert.throws(() => parseName(name), /Expected a name/, name);
  }
});

it('a log is below its VAR_DIR, or where --dir says', () => {
  assert.equal(placeOf({ service: 'gateway', varDir: '/var/lib' }), {
    dir: '/var/lib/nv-wal/gateway/main',
    under: { service: 'gateway', instance: 'main', varDir: '/var/lib' },
  });
  // VAR_DIR may well be set: it is where logs are, not which one is meant.
  assert.equal(placeOf({ dir: '/some/where', varDir: '/var/lib' }), { dir: '/some/where' });
  for (const address of [{}, { dir: '/a', service: 'b' }, { dir: '/a', instance: 'b' }, { service: 'a' }]) {
    assert.throws(
      () => placeOf(address),
      (error: unknown) => error instanceof UsageError,
    );
  }
});

it.run();
