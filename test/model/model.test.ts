// A few random lives of a log against the model of its promises: the same ones each time, unless `WAL_SEED` asks for
// others. `npm run test:model` lives thousands.

import { suite } from 'uvu';
import { checkSequences } from './sequences.js';

const it = suite('model/model');
/** Soon enough that the runner still lets it say what was found. */
const searchMsMax = 20_000;
const seed = Number(process.env['WAL_SEED'] ?? 20_261_124);
process.stdout.write(`model/model: WAL_SEED=${seed}\n`);

it('whatever happens to a log, it keeps its promises', async () => {
  await checkSequences({ runs: 24, seed, corrupts: false, searchMsMax });
});

it('on a disk that changes bits, what is lost is counted and told', async () => {
  await checkSequences({ runs: 8, seed, corrupts: true, searchMsMax });
});

it.run();
