import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Balance } from '../../lib/log/balance.js';

const it = suite('log/balance');

const KIB = 1024;

it('is for halves while nothing is known', () => {
  assert.ok(new Balance().isDiskFaster(64 * KIB));
});

it('is for halves where encoding and telling take as long as the disk does, or longer', () => {
  const balance = new Balance();
  balance.written(3);
  balance.encoded(1, 64 * KIB);
  assert.not(balance.isDiskFaster(64 * KIB));
  balance.tells(1000, 32 * KIB);
  balance.heard(1001);
  assert.ok(balance.isDiskFaster(64 * KIB));
  assert.not(balance.isDiskFaster(63 * KIB));
});

it('follows a disk that becomes slow, and comes back', () => {
  const balance = new Balance();
  balance.encoded(1, 64 * KIB);
  balance.written(0.5);
  assert.ok(balance.isDiskFaster(64 * KIB));
  for (let n = 0; n < 8; n++) balance.written(10);
  assert.not(balance.isDiskFaster(64 * KIB));
  for (let n = 0; n < 32; n++) balance.written(0.5);
  assert.ok(balance.isDiskFaster(64 * KIB));
});

it('takes nothing from commits of no lines, nor from a turn in which nobody was told', () => {
  const balance = new Balance();
  balance.written(1);
  balance.encoded(100, 0);
  balance.tells(0, 0);
  balance.heard(100);
  balance.heard(1000);
  assert.not(balance.isDiskFaster(1_048_576));
});

it('knows those who were told last by about how much they have', () => {
  const balance = new Balance();
  assert.ok(balance.haveComeAgain(0));
  balance.tells(0, 100 * KIB);
  assert.not(balance.haveComeAgain(89 * KIB));
  assert.ok(balance.haveComeAgain(90 * KIB));
  balance.heard(1);
  assert.not(balance.haveComeAgain(89 * KIB));
  balance.tells(2, 0);
  assert.not(balance.haveComeAgain(89 * KIB));
  balance.tells(2, 10 * KIB);
  assert.ok(balance.haveComeAgain(9 * KIB));
});

it.run();
