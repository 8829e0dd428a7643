import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../lib/clock.js';
import { Rests } from '../../lib/operate/rests.js';

const it = suite('operate/rests');

it('work is followed by a rest four times as long, of 8 ms at most; too little of it adds up', async () => {
  let now = 0;
  const rested: number[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (ms) => {
      rested.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
  const rests = new Rests(clock);
  for (const workedMs of [1.5, 0.5, 0.75, 100]) {
    now += workedMs;
    await rests.take();
  }
  assert.equal(rested, [6, 5, 8]);
  now += 100;
  // That was waiting for somebody else.
  rests.begin();
  await rests.take();
  assert.is(rested.length, 3);
});

it.run();
