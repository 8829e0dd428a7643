// Any sequence of what can happen to a stream, against a plain-array model of it.

import * as fc from 'fast-check';
import { suite } from 'uvu';
import { LogModel } from '../helpers/log-model.js';
import { withLog } from '../helpers/log.js';

const it = suite('log/ledger-model');

interface Action {
  run: (model: LogModel) => Promise<void> | void;
}

const shippers = fc.constantFrom('one', 'two');
const shares = fc.double({ min: 0, max: 1, noNaN: true });

/** An action whose failing example can be read. */
function action<T extends readonly unknown[]>(
  name: string,
  args: fc.Arbitrary<T>,
  run: (model: LogModel, ...given: T) => Promise<void> | void,
): fc.Arbitrary<Action> {
  return args.map((given) => ({
    run: (model) => run(model, ...given),
    [fc.toStringMethod]: () => `${name}(${given.join()})`,
  }));
}

const appends = action('append', fc.tuple(fc.integer({ min: 1, max: 6 })), (model, count) =>
  model.append(count),
);
const begins = action('begin', fc.tuple(shippers, fc.integer({ min: 1, max: 12 })), (model, name, max) =>
  model.begin(name, max),
);
const finishes = action('finish', fc.tuple(shippers), (model, name) => model.finish(name));
const aborts = action('abort', fc.tuple(shippers), (model, name) => model.abort(name));
const evicts = action('evict', fc.tuple(shares), (model, share) => model.evict(share));
const evictsToBytes = action('evictToBytes', fc.tuple(shares), (model, share) => model.evictToBytes(share));
const damages = action('damage', fc.tuple(fc.nat()), (model, at) => model.damage(at));
const forgets = action('forget', fc.tuple(shippers), (model, name) => model.forget(name));
const adds = action('addCursor', fc.tuple(shippers), (model, name) => model.addCursor(name));
const keeps = action('keep', fc.tuple(fc.integer({ min: 0, max: 2000 })), (model, bytes) =>
  model.keep(bytes),
);
const replays = action('replay', fc.tuple(shippers, shares), (model, name, share) =>
  model.replay(name, share),
);
const reopens = action('reopen', fc.tuple(), (model) => model.reopen());

async function holds(cursors: string[], actions: readonly Action[]): Promise<void> {
  await withLog({ cursors }, async (_log, opened) => {
    const model = new LogModel(opened, 'log');
    for (const { run } of actions) {
      await run(model);
      await model.check();
    }
    await model.checkVerified();
  });
}

function sequences(...weighted: [weight: number, of: fc.Arbitrary<Action>][]): fc.Arbitrary<Action[]> {
  const arbitraries = weighted.map(([weight, arbitrary]) => ({ weight, arbitrary }));
  return fc.array(fc.oneof(...arbitraries), { minLength: 5, maxLength: 30 });
}

it('one cursor: append, ship, evict, reopen', async () => {
  const actions = sequences([4, appends], [3, begins], [3, finishes], [1, aborts], [2, evicts], [1, reopens]);
  await fc.assert(
    fc.asyncProperty(actions, (given) => holds(['log/one'], given)),
    { numRuns: 20, includeErrorInReport: true },
  );
});

it('two cursors, and damage', async () => {
  const actions = sequences(
    [4, appends],
    [4, begins],
    [4, finishes],
    [1, aborts],
    [2, evicts],
    [1, evictsToBytes],
    [2, damages],
    [1, reopens],
  );
  await fc.assert(
    fc.asyncProperty(actions, (given) => holds(['log/one', 'log/two'], given)),
    { numRuns: 20, includeErrorInReport: true },
  );
});

it('two cursors that come and go, and what is delivered kept for replay', async () => {
  const actions = sequences(
    [4, appends],
    [4, begins],
    [4, finishes],
    [2, evicts],
    [1, evictsToBytes],
    [1, damages],
    [1, keeps],
    [1, forgets],
    [1, adds],
    [1, reopens],
  );
  await fc.assert(
    fc.asyncProperty(actions, (given) => holds(['log/one', 'log/two'], given)),
    { numRuns: 25, includeErrorInReport: true },
  );
});

it('two cursors that are moved back over what is kept, and over what went from its midst', async () => {
  const actions = sequences(
    [4, appends],
    [4, begins],
    [4, finishes],
    [1, aborts],
    [3, replays],
    [1, evicts],
    [2, evictsToBytes],
    [2, damages],
    [1, keeps],
    [1, reopens],
  );
  await fc.assert(
    fc.asyncProperty(actions, (given) => holds(['log/one', 'log/two'], given)),
    { numRuns: 30, includeErrorInReport: true },
  );
});

it.run();
