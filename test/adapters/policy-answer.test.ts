import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decide, readAnswer } from '../../lib/adapters/policy-answer.js';
import type { PolicyAnswer } from '../../lib/adapters/policy-answer.js';
import type { LogLevel } from '../../lib/adapters/policy.js';
import { persistByDefault } from '../../lib/adapters/policy.js';

const it = suite('adapters/policy-answer');

function persists(answer: PolicyAnswer, level: LogLevel, category?: string, now = 0): boolean {
  return decide(readAnswer(JSON.stringify(answer)), { level, category }, now, persistByDefault);
}

it('what the answer says holds, and the default for what it does not mention', () => {
  const answer: PolicyAnswer = {
    persist: {
      debug: false,
      info: { billing: true, http: false },
      warn: false,
      error: { noise: false },
      fatal: true,
    },
  };
  const expected: [LogLevel, string | undefined, boolean][] = [
    ['debug', undefined, false],
    ['info', 'billing', true],
    ['info', 'http', false],
    ['info', 'other', false],
    ['info', undefined, false],
    ['info', 'constructor', false],
    ['warn', undefined, false],
    ['warn', 'billing', false],
    ['error', 'noise', false],
    ['error', 'other', true],
    ['error', undefined, true],
    ['security', undefined, true],
    ['audit', 'x', true],
  ];
  for (const [level, category, holds] of expected) {
    assert.is(persists(answer, level, category), holds, `${level} ${category}`);
  }
});

it('the first override that fits decides, until it ends', () => {
  const answer: PolicyAnswer = {
    persist: { info: true },
    overrides: [
      { category: 'secret', persist: false },
      { level: 'debug', category: 'http', persist: true, until: 1000 },
      { level: 'debug', persist: true, until: '1970-01-01T00:00:02Z' },
    ],
  };
  assert.not(persists(answer, 'info', 'secret'));
  assert.ok(persists(answer, 'info', 'http'));
  assert.ok(persists(answer, 'debug', 'http', 999));
  assert.ok(persists(answer, 'debug', undefined, 1999));
  assert.not(persists(answer, 'debug', 'http', 2000));
  assert.ok(persists({ persist: {}, overrides: [{ persist: true }] }, 'debug'));
});

it('an answer that does not fit is refused as a whole, saying where', () => {
  const refused: [string, RegExp][] = [
    ['<html>', /not JSON/],
    ['null', /the answer to be an object/],
    ['[]', /the answer to be an object/],
    ['{}', /persist to be an object/],
    ['{"persist":{"info":"yes"}}', /persist\.info to be true, false or/],
    ['{"persist":{"info":{"http":1}}}', /persist\.info\.http to be true or false/],
    ['{"persist":{},"overrides":{}}', /overrides to be an array/],
    ['{"persist":{},"overrides":[1]}', /overrides\[0\] to be an object/],
    ['{"persist":{},"overrides":[{"level":"info"}]}', /overrides\[0\]\.persist/],
    ['{"persist":{},"overrides":[{"level":5,"persist":true}]}', /overrides\[0\]\.level/],
    ['{"persist":{},"overrides":[{"persist":true,"until":"soon"}]}', /overrides\[0\]\.until/],
    [
      `{"persist":{},"overrides":${JSON.stringify(Array.from({ length: 101 }, () => ({ persist: true })))}}`,
      /at most 100/,
    ],
  ];
  for (const [text, says] of refused) assert.throws(() => readAnswer(text), says);
});

it.run();
