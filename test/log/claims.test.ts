import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Claims } from '../../lib/log/claims.js';
import type { Range } from '../../lib/log/ledger.js';

const it = suite('log/claims');

const range = (from: number, to: number): Range => ({ from, to });

/** Removes a range from beginning to end. */
function remove(claims: Claims, kind: string, removed: Range): void {
  assert.ok(claims.remove(kind, removed, claims.removals(kind)));
  claims.removed(kind, removed);
}

it('what a batch holds is not removed until the batch is let go', () => {
  const claims = new Claims();
  assert.ok(claims.send('log', 'one', range(11, 20), claims.removals('log')));
  for (const held of [range(1, 11), range(20, 30), range(12, 13), range(1, 99)]) {
    assert.not(claims.remove('log', held, claims.removals('log')));
  }
  assert.ok(claims.remove('log', range(1, 10), claims.removals('log')));
  assert.ok(claims.remove('log', range(21, 30), claims.removals('log')));
  claims.sent('log', 'one');
  assert.ok(claims.remove('log', range(11, 20), claims.removals('log')));
});

it('each shipper holds one batch, and streams know nothing of each other', () => {
  const claims = new Claims();
  claims.send('log', 'one', range(1, 10), 0);
  claims.send('log', 'two', range(6, 15), 0);
  claims.send('audit', 'one', range(100, 200), 0);
  claims.send('log', 'one', range(11, 20), 0);
  const held = claims.inFlight('log').map(({ from, to }) => [from, to]);
  assert.equal(
    held.toSorted(([a], [b]) => a! - b!),
    [
      [6, 15],
      [11, 20],
    ],
  );
  assert.ok(claims.remove('log', range(100, 200), 0));
});

it('a batch is not sent while part of it is being removed', () => {
  const claims = new Claims();
  const removed = range(5, 6);
  assert.ok(claims.remove('log', removed, 0));
  assert.not(claims.send('log', 'one', range(1, 10), claims.removals('log')));
  assert.ok(claims.send('log', 'one', range(7, 10), claims.removals('log')));
  claims.removed('log', removed);
});

it('a batch that was read before a removal is not sent after it', () => {
  const claims = new Claims();
  const read = claims.removals('log');
  remove(claims, 'log', range(5, 6));
  assert.not(claims.send('log', 'one', range(1, 10), read));
  assert.ok(claims.send('log', 'one', range(1, 10), claims.removals('log')));
});

it('a batch that was read while part of it was being removed is not sent after it', () => {
  const claims = new Claims();
  const removed = range(5, 6);
  assert.ok(claims.remove('log', removed, claims.removals('log')));
  const read = claims.removals('log');
  claims.removed('log', removed);
  assert.not(claims.send('log', 'one', range(1, 10), read));
});

it('a range that was looked at before another removal of it is not removed again', () => {
  const claims = new Claims();
  const looked = claims.removals('log');
  const removed = range(1, 10);
  assert.ok(claims.remove('log', removed, looked));
  assert.not(claims.remove('log', range(10, 20), looked));
  claims.removed('log', removed);
  assert.not(claims.remove('log', range(10, 20), looked));
  assert.ok(claims.remove('log', range(11, 20), looked));
});

it('more removals than are remembered touch everything that was read before them', () => {
  const claims = new Claims();
  const read = claims.removals('log');
  for (let n = 1; n <= 64; n++) remove(claims, 'log', range(n, n));
  assert.not(claims.isTouched('log', range(1000, 1001), read));
  remove(claims, 'log', range(65, 65));
  assert.ok(claims.isTouched('log', range(1000, 1001), read));
});

it('evictions take turns, also after one that failed', async () => {
  const claims = new Claims();
  const steps: string[] = [];
  const evict = (name: string) => async () => {
    steps.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    steps.push(`${name} ends`);
    if (name === 'a') throw new Error(name);
    return name;
  };
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((name) => claims.inTurn(evict(name))));
  assert.equal(
    outcomes.map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
  assert.equal(
    steps,
    ['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
});

it('a shipper has tried once it said so', () => {
  const claims = new Claims();
  assert.not(claims.hasTried('log', 'one'));
  claims.tried('log', 'one');
  assert.ok(claims.hasTried('log', 'one'));
  assert.not(claims.hasTried('log', 'two'));
});

it.run();
