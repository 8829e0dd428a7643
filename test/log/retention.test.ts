import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Holding, Step } from '../../lib/log/retention.js';
import { STEP_BYTES_MAX, nextStep } from '../../lib/log/retention.js';

const it = suite('log/retention');

function holding(kind: string, storedBytes: number, more: Partial<Holding> = {}): Holding {
  return {
    kind,
    whenFull: 'drop-oldest',
    storedBytes,
    deliveredBytes: 0,
    heldBytes: 0,
    oldestAt: 0,
    ...more,
  };
}

const cases: [claim: string, holdings: Holding[], bytesMax: number, step: Step | undefined][] = [
  ['nothing where nothing is stored', [], 0, undefined],
  ['nothing at the bound', [holding('log', 60), holding('audit', 40)], 100, undefined],
  ['what is too much', [holding('log', 110)], 100, { kind: 'log', bytes: 10, undelivered: true }],
  [
    'the stream with the oldest record first',
    [holding('a', 60, { oldestAt: 3 }), holding('b', 60, { oldestAt: 1 }), holding('c', 60, { oldestAt: 2 })],
    100,
    { kind: 'b', bytes: 80, undelivered: true },
  ],
  [
    'delivered records before any that are not, however old these are',
    [holding('a', 60, { oldestAt: 1 }), holding('b', 60, { oldestAt: 2, deliveredBytes: 50 })],
    100,
    { kind: 'b', bytes: 20, undelivered: false },
  ],
  [
    'no more of them than are delivered',
    [holding('a', 100), holding('b', 60, { deliveredBytes: 5 })],
    100,
    { kind: 'b', bytes: 5, undelivered: false },
  ],
  [
    'the oldest of several that have delivered records',
    [
      holding('a', 60, { deliveredBytes: 9, oldestAt: 5 }),
      holding('b', 60, { deliveredBytes: 9, oldestAt: 4 }),
    ],
    100,
    { kind: 'b', bytes: 9, undelivered: false },
  ],
  [
    'delivered records of a reject stream, too',
    [holding('audit', 200, { whenFull: 'reject', deliveredBytes: 150 })],
    100,
    { kind: 'audit', bytes: 100, undelivered: false },
  ],
  [
    'never undelivered ones of a reject stream',
    [holding('audit', 200, { whenFull: 'reject' })],
    100,
    undefined,
  ],
  [
    'those of a drop-oldest stream for a reject stream that is too large',
    [holding('audit', 200, { whenFull: 'reject', oldestAt: 1 }), holding('log', 10, { oldestAt: 2 })],
    100,
    { kind: 'log', bytes: 110, undelivered: true },
  ],
  [
    'not those of a stream whose records are all in flight',
    [holding('a', 60, { heldBytes: 60, oldestAt: 1 }), holding('b', 60, { oldestAt: 2 })],
    100,
    { kind: 'b', bytes: 20, undelivered: true },
  ],
  ['nothing where all is in flight', [holding('a', 200, { heldBytes: 200 })], 100, undefined],
  [
    'at most 4 MiB at once',
    [holding('log', 100 * STEP_BYTES_MAX)],
    0,
    { kind: 'log', bytes: STEP_BYTES_MAX, undelivered: true },
  ],
];

for (const [claim, holdings, bytesMax, step] of cases) {
  it(`gives up ${claim}`, () => {
    assert.equal(nextStep(holdings, bytesMax), step);
  });
}

it('ends within the bound wherever anything may go', () => {
  const holdings = [
    holding('log', 5000, { deliveredBytes: 1000, oldestAt: 2 }),
    holding('metrics', 3000, { heldBytes: 500, oldestAt: 1 }),
    holding('audit', 2000, { whenFull: 'reject', deliveredBytes: 700, oldestAt: 3 }),
  ];
  for (let steps = 0; steps < 100; steps++) {
    const step = nextStep(holdings, 2500);
    if (!step) break;
    const at = holdings.findIndex(({ kind }) => kind === step.kind);
    const from = holdings[at]!;
    const bytes = Math.min(
      step.bytes,
      step.undelivered ? from.storedBytes - from.heldBytes : from.deliveredBytes,
    );
    assert.ok(bytes > 0);
    const deliveredBytes = Math.max(0, from.deliveredBytes - bytes);
    holdings[at] = { ...from, storedBytes: from.storedBytes - bytes, deliveredBytes };
  }
  assert.is(
    holdings.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    2500,
  );
});

it.run();
