// The circuit breaker of a destination, on a clock that a test moves.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Breaker } from '../../lib/ship/breaker.js';
import type { FailureKind } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { deferred } from '../helpers/sink.js';

const it = suite('ship/breaker');

class Destination {
  readonly clock = new ManualClock();
  readonly breaker = new Breaker(this.clock);
  /** How often something was sent. */
  tries = 0;

  /** What a try ended with: what it resolved with, or the message of its error. */
  async try(end: () => Promise<string>): Promise<string> {
    return await this.breaker
      .run(() => {
        this.tries++;
        return end();
      })
      .catch((error: unknown) => (error as Error).message);
  }

  async fail(times = 1, failure: FailureKind = 'outage'): Promise<void> {
    for (let n = 0; n < times; n++) await this.try(() => failing(failure));
  }

  async open(): Promise<void> {
    await this.fail(5);
    assert.ok(this.breaker.openForMs > 0);
  }
}

const failing = (failure: FailureKind = 'outage') =>
  Promise.reject(new SinkError(failure, 'there is nobody'));
const fine = () => Promise.resolve('fine');

it('opens after five outages in a row, and nothing is sent then', async () => {
  const to = new Destination();
  await to.fail(4);
  assert.is(to.breaker.openForMs, 0);
  await to.fail();
  assert.is(to.breaker.openForMs, 5_000);
  assert.match(await to.try(fine), 'failed too often');
  assert.is(to.tries, 5);
});

it('what it holds back is an outage, so that whoever is held back tries again', async () => {
  const to = new Destination();
  await to.open();
  const error = await to.breaker.run(fine).catch((reason: unknown) => reason);
  assert.instance(error, SinkError);
  assert.is((error as SinkError).failure, 'outage');
});

it('a success in between begins the count again', async () => {
  const to = new Destination();
  await to.fail(4);
  await to.try(fine);
  await to.fail(4);
  assert.is(to.breaker.openForMs, 0);
});

it('only outages open it: whatever answers is there', async () => {
  for (const failure of ['unauthorized', 'too-large', 'refused', 'unproven', 'misconfigured'] as const) {
    const to = new Destination();
    await to.fail(20, failure);
    assert.is(to.breaker.openForMs, 0, failure);
    assert.is(to.tries, 20);
  }
});

it('half open, it lets one probe through, and holds everyone else back at once', async () => {
  const to = new Destination();
  await to.open();
  to.clock.advance(5_000);
  const probe = deferred<string>();
  const probing = to.try(() => probe.promise);
  const others = await Promise.all([to.try(fine), to.try(fine)]);
  for (const other of others) assert.match(other, 'a probe is on its way');
  assert.is(to.tries, 6);
  probe.resolve('back');
  assert.is(await probing, 'back');
  assert.is(await to.try(fine), 'fine');
});

it('a failed probe doubles the time until the next one, up to a minute; a good one begins anew', async () => {
  const to = new Destination();
  await to.open();
  for (const openMs of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
    assert.is(to.breaker.openForMs, openMs);
    to.clock.advance(openMs - 1);
    assert.is(to.breaker.openForMs, 1);
    to.clock.advance(1);
    assert.is(to.breaker.openForMs, 0);
    await to.fail();
  }
  to.clock.advance(60_000);
  assert.is(await to.try(fine), 'fine');
  await to.open();
  assert.is(to.breaker.openForMs, 5_000);
});

it('nobody who waited for a failed probe is sent right behind it', async () => {
  const to = new Destination();
  await to.open();
  to.clock.advance(5_000);
  const probe = deferred<string>();
  const both = [to.try(() => probe.promise), to.try(fine)];
  probe.reject(new SinkError('outage', 'still nobody'));
  await Promise.all(both);
  assert.is(to.tries, 6);
  assert.is(to.breaker.openForMs, 10_000);
});

it('a probe that is answered, even with a refusal, closes it', async () => {
  const to = new Destination();
  await to.open();
  to.clock.advance(5_000);
  await to.fail(1, 'refused');
  await to.fail(4);
  assert.is(to.breaker.openForMs, 0);
});

it('a wall clock that jumps back does not keep it shut', async () => {
  const to = new Destination();
  await to.open();
  to.clock.advance(5_000);
  const { now } = Date;
  try {
    Date.now = () => now() - 3_600_000;
    assert.is(await to.try(fine), 'fine');
  } finally {
    Date.now = now;
  }
});

it.run();
