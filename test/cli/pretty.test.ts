import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DumpItem } from '../../lib/index.js';
import { prettyLine } from '../../lib/cli/pretty.js';

const it = suite('cli/pretty');

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const TIME = '2026-01-02T03:04:05.006Z';
const plain = { colours: false };

function item(record: object, kind = 'log'): DumpItem {
  return { id: `w:${kind}:7`, seq: 7, kind, record, appendedAt: AT };
}

it('says when, where and what, and the rest as name=value', () => {
  const lines: [DumpItem, string][] = [
    [
      item({
        ts: AT,
        service: 'gateway',
        level: 'info',
        category: 'http',
        msg: 'listening on 80',
        ctx: { a: 1 },
      }),
      `${TIME} log 7 info  http listening on 80 service=gateway ctx={"a":1}`,
    ],
    [
      item({ ts: TIME, actor: { id: 'u 1' }, action: 'login', resource: 'session', outcome: 'ok' }, 'audit'),
      `${TIME} audit 7 {"id":"u 1"} login session ok`,
    ],
    // A time that is none stays where it is: it is the record's.
    [
      item({ ts: 'yesterday', n: 1, text: 'two words', none: null }),
      `${TIME} log 7 ts=yesterday n=1 text="two words" none=null`,
    ],
    [item({}), `${TIME} log 7`],
    [
      { id: 'x', seq: 9, kind: 'log', gap: { from: 3, to: 9, reason: 'age', at: AT }, appendedAt: AT },
      `${TIME} log 3-9 gone: age`,
    ],
    [
      {
        id: 'x',
        seq: 4,
        kind: 'log',
        shipper: 'siem',
        record: { msg: 'hm' },
        reason: 'too odd',
        status: 422,
        at: AT,
      },
      `${TIME} log 4 refused by siem with 422: too odd; hm`,
    ],
  ];
  for (const [given, line] of lines) assert.is(prettyLine(given, plain), line);
});

it('nothing in a record steers the terminal, or makes a second line', () => {
  const evil = '\u001B[2J\u009B2J\r\n\u202Eabc\u2028';
  const line = prettyLine(item({ msg: evil, level: evil, [evil]: evil }), plain);
  assert.not.match(line, /[\p{Cc}\u2028-\u202E]/u);
  assert.match(line, '\\u001b[2J\\u009b2J\\u000d\\u000a\\u202eabc');
});

it('colours only where they are wanted', () => {
  const record = item({ level: 'error', msg: 'no' });
  assert.not.match(prettyLine(record, plain), '\u001B');
  assert.ok(prettyLine(record, { colours: true }).endsWith('\u001B[31merror\u001B[39m no'));
});

it.run();
