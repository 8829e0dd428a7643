// A few random lives of a log against the model of its promises. `npm run test:model` lives thousands.

import { randomInt } from 'node:crypto';
import { suite } from 'uvu';
import { checkSequences } from './sequences.js';

const it = suite('model/model');
const seed = randomInt(2 ** 31);
process.stdout.write(`model: npm run test:model -- --seed ${seed}\n`);

it('whatever happens to a log, it keeps its promises', async () => {
  await checkSequences({ runs: 25, seed, corrupts: false });
});

it('on a disk that changes bits, what is lost is counted and told', async () => {
  await checkSequences({ runs: 8, seed, corrupts: true });
});

it.run();
