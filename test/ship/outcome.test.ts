import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { outcomeOf } from '../../lib/ship/outcome.js';
import type { Answer, Failure } from '../../lib/ship/outcome.js';
import type { FailureKind, Receipt } from '../../lib/ship/sink.js';

const it = suite('ship/outcome');

const NOW = Date.parse('2026-01-01T00:00:00Z');

function outcome(answer: Partial<Answer>, { count = 5, acceptEmpty = false } = {}) {
  const full = { status: 200, headers: {}, body: '', truncated: false, ...answer };
  return outcomeOf(full, count, { acceptEmpty }, NOW);
}

function receiptOf(body: unknown, options?: { count?: number; acceptEmpty?: boolean }): Receipt {
  const got = outcome({ body: typeof body === 'string' ? body : JSON.stringify(body) }, options);
  if ('settled' in got) return got.settled;
  throw new Error(got.failed.reason);
}

function failureOf(answer: Partial<Answer>, options?: { count?: number; acceptEmpty?: boolean }): Failure {
  const got = outcome(answer, options);
  if ('failed' in got) return got.failed;
  throw new Error(`settled: ${JSON.stringify(got.settled)}`);
}

it('each status means what the table says', () => {
  const table: [FailureKind, number[]][] = [
    ['outage', [408, 409, 425, 429, 500, 501, 502, 503, 504, 507, 599]],
    ['unauthorized', [401, 403]],
    ['too-large', [413]],
    ['refused', [400, 422]],
    [
      'misconfigured',
      [300, 301, 302, 304, 307, 308, 402, 404, 405, 406, 407, 410, 411, 415, 418, 431, 600, 999],
    ],
    ['unproven', [200, 201, 202, 204, 299]],
  ];
  for (const [failure, statuses] of table) {
    for (const status of statuses) {
      assert.is(failureOf({ status }).failure, failure, `${status}`);
      assert.is(failureOf({ status }).status, status);
    }
  }
});

it('a receipt in the body of a failure settles nothing', () => {
  assert.is(failureOf({ status: 500, body: '{"accepted":5}' }).failure, 'outage');
  assert.is(
    failureOf({ status: 302, body: '{"accepted":5}' }, { acceptEmpty: true }).failure,
    'misconfigured',
  );
});

it('a receipt that adds up settles the batch', () => {
  const rejected = [
    { id: 'a', reason: 'no actor' },
    { id: 'b', reason: '' },
  ];
  assert.equal(receiptOf({ accepted: 5 }), { accepted: 5, duplicates: 0, rejected: [] });
  assert.equal(receiptOf({ accepted: 0, duplicates: 5 }), { accepted: 0, duplicates: 5, rejected: [] });
  assert.equal(receiptOf({ accepted: 2, duplicates: 1, rejected }), { accepted: 2, duplicates: 1, rejected });
  assert.equal(
    receiptOf({ accepted: 0, rejected: rejected.slice(1) }, { count: 1 }).rejected,
    rejected.slice(1),
  );
  // Other statuses of success, other members, null for absent.
  assert.ok('settled' in outcome({ status: 202, body: '{"accepted":5,"took":"3 ms"}' }));
  assert.is(receiptOf({ accepted: 5, duplicates: null, rejected: null }).accepted, 5);
});

it('a receipt keeps nothing of an answer but what a receipt has', () => {
  const body = { accepted: 4, rejected: [{ id: 'a', reason: 'r', retry: true }], token: 'x' };
  assert.equal(receiptOf(body), { accepted: 4, duplicates: 0, rejected: [{ id: 'a', reason: 'r' }] });
});

it('a success that lies, in any way, is unproven', () => {
  const entry = { id: 'a', reason: 'r' };
  const lies: unknown[] = [
    '',
    'OK',
    '<html>welcome to the hotel</html>',
    '{"accepted":5',
    'null',
    '5',
    [],
    [{ accepted: 5 }],
    {},
    { ok: true },
    { accepted: 4 },
    { accepted: 6 },
    { accepted: 5, duplicates: 1 },
    { accepted: 5, rejected: [entry] },
    { accepted: 6, duplicates: -1 },
    { accepted: -1, duplicates: 6 },
    { accepted: 4.5, duplicates: 0.5 },
    { accepted: '5' },
    { accepted: true },
    { accepted: null, duplicates: 5 },
    { duplicates: 5 },
    { accepted: 5, duplicates: '0' },
    { accepted: 5, duplicates: [] },
    { accepted: 4, rejected: 1 },
    { accepted: 4, rejected: { length: 1 } },
    { accepted: 4, rejected: [null] },
    { accepted: 4, rejected: ['a'] },
    { accepted: 4, rejected: [{ id: 7, reason: 'r' }] },
    { accepted: 4, rejected: [{ id: 'a' }] },
    { accepted: 4, rejected: [{ reason: 'r' }] },
    { accepted: 3, rejected: [entry, entry] },
    { accepted: 4, rejected: [entry, entry] },
  ];
  for (const lie of lies) {
    const body = typeof lie === 'string' ? lie : JSON.stringify(lie);
    assert.is(failureOf({ body }).failure, 'unproven', body);
  }
  assert.is(failureOf({ body: '{"accepted":1e400}' }).failure, 'unproven');
  assert.is(failureOf({ body: '{"__proto__":{"accepted":5}}' }).failure, 'unproven');
});

it('the reason of an unproven answer says what does not add up', () => {
  const { reason } = failureOf({ body: '{"accepted":3,"duplicates":1}' });
  assert.is(
    reason,
    'answered 200 without a receipt: accepted 3 + duplicates 1 + rejected 0 is 4, the batch has 5',
  );
});

it('an answer too long to be read to its end proves nothing, whatever it begins with', () => {
  const cut = { body: '{"accepted":5}', truncated: true };
  assert.is(failureOf(cut).failure, 'unproven');
  assert.is(failureOf(cut, { acceptEmpty: true }).failure, 'unproven');
});

it('acceptEmpty takes a success without a receipt for one of the whole batch', () => {
  const whole = { accepted: 5, duplicates: 0, rejected: [] };
  for (const body of ['', 'OK', '{}', '{"accepted":true}', '[]', '{"ok":1}']) {
    assert.equal(receiptOf(body, { acceptEmpty: true }), whole, body);
  }
});

it('acceptEmpty does not overrule a receipt that is there', () => {
  const acceptEmpty = true;
  assert.equal(
    receiptOf({ accepted: 4, rejected: [{ id: 'a', reason: 'r' }] }, { acceptEmpty }).rejected?.length,
    1,
  );
  for (const body of ['{"accepted":4}', '{"accepted":6}', '{"rejected":[{"id":"a","reason":"r"}]}']) {
    assert.is(failureOf({ body }, { acceptEmpty }).failure, 'unproven', body);
  }
});

it('Retry-After is heard as seconds and as a date, never negative, at most an hour', () => {
  const date = 'Thu, 01 Jan 2026 00:10:00 GMT';
  const table: [string, number | undefined, string?][] = [
    ['0', 0],
    ['7', 7000],
    [' 7 ', 7000],
    ['3600', 3_600_000],
    ['3601', 3_600_000],
    ['9'.repeat(400), 3_600_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
    ['Thu, 01 Jan 2026 09:00:00 GMT', 3_600_000],
    // The destination's clock is ten minutes ahead of ours.
    ['Thu, 01 Jan 2026 00:10:30 GMT', 30_000, date],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 0, date],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000, 'now'],
    ['7', 7000, date],
    ['', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['2026', 2_026_000],
    ['2026-01-01T00:00:30Z', undefined],
    ['Thu, 45 Jan 2026 00:00:30 GMT', undefined],
    ['Thursday, 01-Jan-26 00:00:30 GMT', undefined],
    ['Thu Jan  1 00:00:30 2026', undefined],
  ];
  for (const [text, ms, serverDate] of table) {
    const headers = { 'retry-after': text, ...(serverDate !== undefined && { date: serverDate }) };
    assert.is(failureOf({ status: 503, headers }).retryAfterMs, ms, `${text} ${serverDate}`);
  }
  assert.is(failureOf({ status: 429, headers: { 'retry-after': ['3', '9'] } }).retryAfterMs, 3000);
  assert.not('retryAfterMs' in failureOf({ status: 503 }));
});

it('of the body of a failure the beginning is kept', () => {
  assert.is(failureOf({ status: 422, body: '{"error":"no actor"}' }).response, '{"error":"no actor"}');
  assert.is(failureOf({ status: 500, body: 'x'.repeat(5000) }).response?.length, 1024);
  assert.not('response' in failureOf({ status: 500 }));
});

it.run();
