// One batch until it is settled: when it is tried again, and what ends that.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WalError } from '../../lib/errors.js';
import { Breaker } from '../../lib/ship/breaker.js';
import { deliver, waitAfter } from '../../lib/ship/delivery.js';
import type { Delivery } from '../../lib/ship/delivery.js';
import type { FailureKind } from '../../lib/ship/sink.js';
import { SinkError } from '../../lib/ship/sink.js';
import { batchOf, recordLines } from '../helpers/batch.js';
import { ManualClock } from '../helpers/manual-clock.js';
import type { Reply } from '../helpers/sink.js';
import { TestSink, accepting, hanging } from '../helpers/sink.js';
import { turns, until } from '../helpers/until.js';

const it = suite('ship/delivery');

const BATCH = batchOf(recordLines(3));

/** One delivery under way. */
class Run {
  readonly clock = new ManualClock();
  readonly sink: TestSink;
  /** The waits that it announced. */
  readonly waits: number[] = [];
  readonly messages: string[] = [];
  readonly ended: Promise<Delivery>;
  readonly #abort = new AbortController();
  #delivery: Delivery | undefined;

  constructor(reply: Reply, batch = BATCH, random = 1) {
    this.sink = new TestSink(reply);
    this.ended = deliver(batch, {
      sink: this.sink,
      breaker: new Breaker(this.clock),
      clock: this.clock,
      random: () => random,
      signal: this.#abort.signal,
      onTry: () => {},
      onFailed: ({ message }, waitMs) => {
        this.waits.push(waitMs);
        this.messages.push(message);
      },
    });
    this.ended.then(
      (delivery) => (this.#delivery = delivery),
      () => {},
    );
  }

  get is(): Delivery['is'] | undefined {
    return this.#delivery?.is;
  }

  /** Lets announced waits pass until there were so many. */
  async wait(count: number): Promise<void> {
    for (let n = 1; n <= count; n++) {
      await until(() => this.waits.length >= n && this.clock.pending > 0);
      this.clock.advance(this.waits[n - 1]!);
    }
  }

  stop(): void {
    this.#abort.abort(new Error('stopped'));
  }
}

const throwing = (error: unknown): Reply => {
  return () => {
    throw error;
  };
};

it('is settled by the first receipt that proves it', async () => {
  const run = new Run(accepting);
  assert.equal(await run.ended, { is: 'settled', refused: [] });
  assert.is(run.sink.sent.length, 1);
});

it('sends the same batch again, and counts the attempts, until it is proven', async () => {
  const run = new Run((sent, number) => {
    if (number === 1) throw new SinkError('outage', 'nobody there');
    return number === 2 ? { accepted: 2 } : accepting(sent, number);
  });
  await run.wait(2);
  assert.is((await run.ended).is, 'settled');
  assert.equal(
    run.sink.sent.map(({ context }) => context.attempt),
    [1, 2, 3],
  );
  assert.is(new Set(run.sink.sent.map(({ batch, text }) => `${batch.id}${text}`)).size, 1);
  assert.match(run.messages[1]!, 'does not add up');
});

it('whatever a sink throws is an outage: p-retry would give up on a TypeError', async () => {
  const thrown: unknown[] = [
    new TypeError('x is not a function'),
    new RangeError('too deep'),
    new DOMException('gone', 'AbortError'),
    'a string',
    undefined,
    null,
    Symbol('a symbol'),
    Object.create(null),
    {
      toString: () => {
        throw new Error('no');
      },
    },
    new WalError('WAL_FULL', 'the log behind the sink is full'),
    new WalError('WAL_CLOSED', 'the log behind the sink is closed'),
  ];
  for (const error of thrown) {
    const run = new Run((sent, number) => (number === 1 ? throwing(error)(sent, 1) : accepting(sent, 2)));
    await run.wait(1);
    assert.is((await run.ended).is, 'settled');
  }
});

it('whatever a sink resolves with that is no receipt is tried again, too', async () => {
  for (const receipt of [undefined, null, 'ok', { accepted: 3, rejected: null }]) {
    const run = new Run((sent, number) => (number === 1 ? (receipt as never) : accepting(sent, 2)));
    await run.wait(1);
    assert.is((await run.ended).is, 'settled');
  }
});

it('never gives up by itself', async () => {
  const run = new Run(throwing(new SinkError('unproven', 'who knows')));
  await run.wait(200);
  assert.is(run.is, undefined);
  run.stop();
  assert.equal(await run.ended, { is: 'stopped' });
});

it('what can’t be read here is no outage there', async () => {
  const error = new WalError('WAL_CORRUPT', 'stored lines do not match their checksum');
  const run = new Run(throwing(error));
  assert.is(await run.ended.catch((reason: unknown) => reason), error);
  assert.is(run.sink.sent.length, 1);
});

it('what trying again would not change is given back', async () => {
  const tooLarge = new SinkError('too-large', 'answered 413');
  const refused = new SinkError('refused', 'answered 400');
  assert.equal(await new Run(throwing(tooLarge)).ended, { is: 'too-large' });
  // There is nothing to split in one line.
  const alone = await new Run(throwing(tooLarge), batchOf(recordLines(1))).ended;
  assert.equal(alone, { is: 'refused', error: tooLarge });
  assert.equal(await new Run(throwing(refused)).ended, { is: 'refused', error: refused });
});

it('after the breaker was open, a batch of more than 64 lines is given back instead of sent again', async () => {
  const many = new Run(throwing(new SinkError('outage', 'nobody')), batchOf(recordLines(65)));
  await many.wait(5);
  assert.equal(await many.ended, { is: 'held-back' });
  assert.is(many.sink.sent.length, 5);
});

it('stop ends a request that hangs, at once', async () => {
  const run = new Run(hanging);
  await run.sink.nth(1);
  run.stop();
  assert.equal(await run.ended, { is: 'stopped' });
  assert.equal(run.waits, []);
});

it('stop ends a long wait at once', async () => {
  const run = new Run(throwing(new SinkError('outage', 'nobody', { retryAfterMs: 3_000_000 })));
  await until(() => run.clock.pending === 1);
  run.stop();
  assert.equal(await run.ended, { is: 'stopped' });
  assert.is(run.clock.pending, 0);
  assert.is(run.sink.sent.length, 1);
});

it('a receipt that arrives after stop still counts', async () => {
  const run = new Run(
    ({ batch, context }) =>
      new Promise((resolve) => {
        context.signal.addEventListener('abort', () => setImmediate(resolve, { accepted: batch.count }));
      }),
  );
  await run.sink.nth(1);
  run.stop();
  assert.equal(await run.ended, { is: 'settled', refused: [] });
});

it('stopped before it began, it sends nothing', async () => {
  const clock = new ManualClock();
  const sink = new TestSink();
  const context = { sink, clock, breaker: new Breaker(clock), random: () => 1, onTry: () => {} };
  const signal = AbortSignal.abort();
  const delivery = await deliver(BATCH, { ...context, signal, onFailed: () => assert.unreachable() });
  assert.equal(delivery, { is: 'stopped' });
  assert.is(sink.sent.length, 0);
});

it('while the breaker is open, nothing is sent until its probe is due', async () => {
  const run = new Run(throwing(new SinkError('outage', 'nobody')));
  await run.wait(4);
  await until(() => run.waits.length === 5);
  assert.equal(run.waits, [1_000, 2_000, 4_000, 8_000, 5_000]);
  run.clock.advance(4_999);
  await turns();
  assert.is(run.sink.sent.length, 5);
  run.clock.advance(1);
  await run.sink.nth(6);
  run.stop();
  await run.ended;
});

it('waits by full jitter under a doubling bound of at most a minute', () => {
  const table: [attempt: number, random: number, waitMs: number][] = [
    [1, 0, 0],
    [1, 0.5, 500],
    [1, 1, 1_000],
    [2, 1, 2_000],
    [3, 0.25, 1_000],
    [6, 1, 32_000],
    [7, 1, 60_000],
    [7, 0.1, 6_000],
    [50, 1, 60_000],
    [1_000_000, 0.999, 59_940],
  ];
  for (const failure of ['outage', 'unproven'] as const) {
    for (const [attempt, random, waitMs] of table) {
      assert.is(waitAfter(new SinkError(failure, ''), attempt, 0, random), waitMs, `${attempt} ${random}`);
    }
  }
});

it('where someone has to change something first, waits half a minute to a minute from the start', () => {
  const kinds: FailureKind[] = ['unauthorized', 'misconfigured'];
  for (const failure of kinds) {
    assert.is(waitAfter(new SinkError(failure, ''), 1, 0, 0), 30_000);
    assert.is(waitAfter(new SinkError(failure, ''), 1, 0, 1), 60_000);
    assert.is(waitAfter(new SinkError(failure, ''), 90, 0, 1), 60_000);
  }
});

it('honours Retry-After where it is longer, for an hour at most, and only if it is a number', () => {
  const table: [retryAfterMs: number, openForMs: number, waitMs: number][] = [
    [0, 0, 1_000],
    [999, 0, 1_000],
    [1_001, 0, 1_001],
    [30_000, 5_000, 30_000],
    [4_000, 5_000, 5_000],
    [3_600_000, 0, 3_600_000],
    [86_400_000, 0, 3_600_000],
    [Infinity, 0, 3_600_000],
    [NaN, 0, 1_000],
    [-1, 0, 1_000],
  ];
  for (const [retryAfterMs, openForMs, waitMs] of table) {
    const error = new SinkError('outage', '', { retryAfterMs });
    assert.is(waitAfter(error, 1, openForMs, 1), waitMs, `${retryAfterMs} ${openForMs}`);
  }
});

it.run();
