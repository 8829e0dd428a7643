import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../lib/errors.js';
import { encodeRecord } from '../lib/records.js';
import type { Redaction } from '../lib/redaction.js';
import { shapingOf } from '../lib/shaping.js';

const it = suite('redaction');

const KEY = 'a key of at least thirty-two bytes';

/** What is stored of a record. */
function stored(record: object, redact: Redaction): unknown {
  return JSON.parse(encodeRecord('log', record, 100_000, shapingOf('log', { redact })));
}

function refuses(act: () => unknown, code: string, ...says: string[]): WalError {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  if (!(thrown instanceof WalError)) throw new Error(`expected ${code}`, { cause: thrown });
  assert.is(thrown.code, code, thrown.message);
  for (const text of says) assert.ok(thrown.message.includes(text), `${thrown.message} says ${text}`);
  return thrown;
}

function token(text: string): string {
  return `hmac-sha256:${createHmac('sha256', KEY).update(text).digest('hex')}`;
}

const RECORD = {
  user: { email: 'a@b.c', name: 'A' },
  headers: { 'set-cookie': 's=1', host: 'h' },
  items: [{ card: 1, sku: 'x' }, { card: 2 }, 'card'],
  restore: 'mine',
};

it('a path censors what it leads to, and nothing else', () => {
  const cases: [paths: string[], expected: object][] = [
    [['user.email'], { ...RECORD, user: { email: '[REDACTED]', name: 'A' } }],
    [['user'], { ...RECORD, user: '[REDACTED]' }],
    [["headers['set-cookie']"], { ...RECORD, headers: { 'set-cookie': '[REDACTED]', host: 'h' } }],
    [['headers["set-cookie"]'], { ...RECORD, headers: { 'set-cookie': '[REDACTED]', host: 'h' } }],
    [['items[1].card'], { ...RECORD, items: [{ card: 1, sku: 'x' }, { card: '[REDACTED]' }, 'card'] }],
    [
      ['items[*].card'],
      { ...RECORD, items: [{ card: '[REDACTED]', sku: 'x' }, { card: '[REDACTED]' }, 'card'] },
    ],
    [['user.*'], { ...RECORD, user: { email: '[REDACTED]', name: '[REDACTED]' } }],
    [['*.email'], { ...RECORD, user: { email: '[REDACTED]', name: 'A' } }],
    [['nothing', 'user.nothing', 'restore.deeper'], RECORD],
  ];
  for (const [paths, expected] of cases) assert.equal(stored(RECORD, paths), expected, paths.join());
});

it('rules censor, remove and hash, each its own paths', () => {
  const redact: Redaction = [
    'restore',
    { paths: ['user.name'], censor: '***' },
    { paths: ['headers', 'items[0]'], remove: true },
    { paths: ['user.email', 'items[1].card'], hash: { key: KEY } },
  ];
  assert.equal(stored(RECORD, redact), {
    user: { email: token('a@b.c'), name: '***' },
    items: [null, { card: token('2') }, 'card'],
    restore: '[REDACTED]',
  });
  assert.equal(stored({ a: 'x', b: 1 }, { paths: ['a'], remove: true }), { b: 1 });
});

it('equal values have equal tokens, of whatever type and at whatever place', () => {
  const rule = { paths: ['a', 'b.c', '*.c', 'd'], hash: { key: KEY } };
  const { a, b, d } = stored({ a: 'x', b: { c: 'x' }, d: { c: 1 } }, rule) as Record<string, unknown>;
  assert.is(a, token('x'));
  assert.equal(b, { c: token('x') });
  assert.is(d, token(JSON.stringify({ c: token('1') })));
  assert.equal(stored({ a: null, d: [1, 'x'] }, rule), { a: token('null'), d: token('[1,"x"]') });
  const other = { paths: ['a'], hash: { key: `${KEY}!` } };
  assert.is.not((stored({ a: 'x' }, other) as Record<string, unknown>)['a'], a);
});

it('a name that objects inherit is a name like any', () => {
  const rule = { paths: ['constructor', '*.toString'], hash: { key: KEY } };
  assert.equal(stored({ a: {} }, rule), { a: {} });
  assert.equal(
    JSON.stringify(stored({ constructor: 'x' }, rule)),
    JSON.stringify({ constructor: token('x') }),
  );
});

/** What a path does, said in another way than the library's. */
function censored(value: unknown, [name, ...deeper]: string[]): unknown {
  if (name === undefined) return '[REDACTED]';
  const next = (key: string, member: unknown) =>
    name === '*' || name === key ? censored(member, deeper) : member;
  if (Array.isArray(value)) return value.map((member: unknown, n) => next(String(n), member));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, next(key, member)]));
}

it('any paths do to any record what they say', () => {
  const names = ['a', 'b', 'd.e', 'x-y', 'ü', "it's", 'q\u2028'];
  const key = fc.constantFrom(...names);
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('a', '"a":', 1, null, true),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  const path = fc.array(fc.constantFrom('*', '0', '1', ...names), { minLength: 1, maxLength: 4 });
  const written = (segments: string[]) =>
    segments.map((name) => (/^[*\d]/.test(name) ? `[${name}]` : `["${name}"]`)).join('');
  fc.assert(
    fc.property(fc.dictionary(key, tree), fc.array(path, { minLength: 1, maxLength: 3 }), (record, paths) => {
      const before = JSON.stringify(record);
      const expected = paths.reduce<unknown>((value, segments) => censored(value, segments), record);
      assert.equal(stored(record, paths.map(written)), JSON.parse(JSON.stringify(expected)));
      assert.is(JSON.stringify(record), before);
    }),
    { seed: Number(process.env['WAL_SEED'] ?? 1), numRuns: 1000 },
  );
});

it('the caller’s record is never changed', () => {
  // Paths that share a beginning: the library clones for one of them and would write through for the other.
  const record = { a: { b: 1, c: { d: 's' } }, list: [{ c: { d: 's' } }] };
  const before = structuredClone(record);
  assert.equal(stored(record, ['a.b', '*.c.d', 'list[*].c.d']), {
    a: { b: '[REDACTED]', c: { d: '[REDACTED]' } },
    list: [{ c: { d: '[REDACTED]' } }],
  });
  assert.equal(record, before);
});

it('what is redacted is what would be stored, not what a record says when it is asked', () => {
  let asked = 0;
  const hostile = {
    user: { toJSON: () => ({ email: 's' }) },
    get seldom() {
      return asked++ === 0 ? { email: 's' } : {};
    },
    proxy: new Proxy({ email: 's' }, { has: () => false }),
    inherits: { __proto__: { toJSON: () => ({ email: 's' }) } },
  };
  assert.equal(stored(hostile, ['*.email']), {
    user: { email: '[REDACTED]' },
    seldom: { email: '[REDACTED]' },
    proxy: { email: '[REDACTED]' },
    inherits: { email: '[REDACTED]' },
  });
});

it('what can’t be redacted is refused, and no error tells what it was, nor does its cause', () => {
  const throws = (): never => {
    throw new Error('secret');
  };
  const schema: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'test', validate: throws } };
  const strict = shapingOf('log', { redact: ['*.email'], schema });
  const refused = refuses(() => encodeRecord('log', {}, 1000, strict), 'WAL_RECORD_INVALID', 'threw');
  assert.not.match(inspect(refused), 'secret');
  const shaping = shapingOf('log', { redact: ['*.email'] });
  const hostile = [
    {
      get user(): never {
        throw new Error('secret');
      },
    },
    { user: { toJSON: () => BigInt(1) } },
    { toJSON: () => 'secret' },
    JSON.parse('{"a":{"__proto__":{"email":"secret"}}}') as object,
  ];
  for (const record of hostile) {
    const error = refuses(() => encodeRecord('log', record, 1000, shaping), 'WAL_RECORD_INVALID');
    assert.not.match(inspect(error), 'secret');
  }
  const named = { text: '"__proto__":', list: ['__proto__'] };
  assert.equal(stored(named, ['x']), named);
});

it('a record has to fit as it is stored', () => {
  const shaping = shapingOf('log', { redact: { paths: ['a'], censor: '' } });
  assert.is(encodeRecord('log', { a: 'x'.repeat(100) }, 20, shaping), '{"a":""}');
  const longer = shapingOf('log', { redact: { paths: ['a'], censor: 'x'.repeat(100) } });
  refuses(() => encodeRecord('log', { a: '' }, 20, longer), 'WAL_RECORD_TOO_LARGE');
});

it('a path that would find nothing is refused by its name', () => {
  const paths = [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a.**.b',
    'pass*',
    'a[',
    'a]',
    'a[]',
    'a[b]',
    'a["b"',
    'a["b]c"]',
  ];
  paths.push('"a"', 'a b', 'a,b', '__proto__.x', 'a["__proto__"]', 'a["x,y"]', 'a["*"]', '$.a[?(@.b)]');
  for (const path of paths) {
    refuses(
      () => shapingOf('log', { redact: ['fine', path] }),
      'WAL_CONFIG',
      'streams.log.redact',
      `'${path}'`,
    );
    const rules: Redaction = ['fine', { paths: [path], remove: true }];
    refuses(() => shapingOf('log', { redact: rules }), 'WAL_CONFIG', 'streams.log.redact[1]', `'${path}'`);
  }
});

it('a rule that says nothing, or two things, is refused; no message tells a key', () => {
  const key = 'too short a key';
  const wrong: [redact: unknown, says: string][] = [
    ['password', 'redact'],
    [7, 'redact'],
    [null, 'redact'],
    [[], 'a path'],
    [[7], 'redact[0]'],
    [{}, 'redact.paths'],
    [{ paths: [] }, 'redact.paths'],
    [{ paths: 'a' }, 'redact.paths'],
    [{ paths: [7] }, 'number'],
    [{ paths: ['a'], censor: 7 }, 'redact.censor'],
    [{ paths: ['a'], remove: 'yes' }, 'redact.remove'],
    [{ paths: ['a'], remove: true, censor: 'x' }, 'one of'],
    [{ paths: ['a'], path: ['b'] }, "'path'"],
    [{ paths: ['a'], hash: true }, 'redact.hash'],
    [{ paths: ['a'], hash: null }, 'redact.hash'],
    [{ paths: ['a'], hash: { key: 7 } }, 'redact.hash.key'],
    [['b', { paths: ['a'], hash: { key } }], 'redact[1].hash.key'],
  ];
  for (const [redact, says] of wrong) {
    const error = refuses(
      () => shapingOf('log', { redact: redact as Redaction }),
      'WAL_CONFIG',
      'streams.log.redact',
      says,
    );
    assert.not.match(error.message, key);
  }
});

it.run();
