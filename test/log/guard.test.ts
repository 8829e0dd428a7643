import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withChild } from '../helpers/child.js';
import { withFolder } from '../helpers/folder.js';
import type { Takings } from './guard-process.js';

const it = suite('log/guard');

const PROCESS = new URL('guard-process.ts', import.meta.url);
/** While one holds it sixty times, the other comes some times in the moment in which it is given back. */
const COUNT = 60;

it('one at a time holds it, and the others are told so, also in the moment in which it is given back', async () => {
  await withFolder(async (dir) => {
    const args = [dir, String(COUNT)];
    await withChild(PROCESS, args, async (first) => {
      await withChild(PROCESS, args, async (second) => {
        const takings = (await Promise.all([first.next(), second.next()])) as Takings[];
        const all = { held: COUNT, problems: [] };
        assert.equal(takings, [all, all]);
      });
    });
  });
});

it.run();
