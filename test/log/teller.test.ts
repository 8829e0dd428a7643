import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Operation } from '../../lib/log/queue.js';
import { recordOperation } from '../../lib/log/queue.js';
import { Teller } from '../../lib/log/teller.js';
import { numbers } from '../helpers/log.js';
import { turns } from '../helpers/until.js';
import { withWriter } from '../helpers/writer.js';

const it = suite('log/teller');

/** Operations that write their number down when they are told. */
function noting(told: number[], all: readonly number[], goesOn = true): Operation[] {
  return all.map((n) => {
    const caller = { goesOn, told: () => void told.push(n), refused: assert.unreachable };
    return recordOperation('log', '{}', 100, 0, caller);
  });
}

it('tells 128 a turn, in order, and then that all are told', async () => {
  const told: number[] = [];
  const allTold: number[] = [];
  const teller = new Teller(() => allTold.push(told.length));
  teller.tell(noting(told, numbers(1, 300)));
  for (const count of [128, 256]) {
    assert.is(told.length, count);
    assert.ok(teller.isTelling);
    assert.equal(allTold, []);
    await turns(1);
  }
  assert.equal(told, numbers(1, 300));
  assert.not(teller.isTelling);
  assert.equal(allTold, [300]);
});

it('who comes while others are told comes after them', async () => {
  const told: number[] = [];
  const allTold: number[] = [];
  const teller = new Teller(() => allTold.push(told.length));
  teller.tell(noting(told, numbers(1, 200)));
  teller.tell(noting(told, numbers(201, 210)));
  teller.tell([]);
  assert.is(told.length, 128);
  await turns(1);
  assert.equal(told, numbers(1, 210));
  assert.equal(allTold, [210]);
  teller.tell(noting(told, [211]));
  assert.is(told.at(-1), 211);
  assert.equal(allTold, [210, 211]);
});

it('tells thousands within 8 turns, however many come meanwhile', async () => {
  const told: number[] = [];
  const teller = new Teller(() => {});
  teller.tell(noting(told, numbers(1, 8000)));
  assert.is(told.length, 1000);
  teller.tell(noting(told, numbers(8001, 17_000)));
  await turns(1);
  assert.is(told.length, 3000);
  await turns(7);
  assert.equal(told, numbers(1, 17_000));
  assert.not(teller.isTelling);
});

it('records that nobody waits for take no turn, and are told in their place', async () => {
  const told: number[] = [];
  const teller = new Teller(() => {});
  teller.tell(noting(told, numbers(1, 5000), false));
  assert.is(told.length, 5000);
  assert.not(teller.isTelling);
  teller.tell([
    ...noting(told, numbers(5001, 5100)),
    ...noting(told, numbers(5101, 9000), false),
    ...noting(told, numbers(9001, 9100)),
  ]);
  assert.is(told.length, 9028);
  await turns(1);
  assert.equal(told, numbers(1, 9100));
});

it('close and flush resolve after everybody was told', async () => {
  await withWriter({}, async ({ append, writer }) => {
    let told = 0;
    const count = (appended: Promise<number>) => appended.then(() => void told++);
    const first = append('log', numbers(1, 700)).map(count);
    await writer.flushed();
    assert.is(told, 700);
    const second = append('log', numbers(701, 1400)).map(count);
    await writer.close();
    assert.is(told, 1400);
    await Promise.all([...first, ...second]);
  });
});

it.run();
