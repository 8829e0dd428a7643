// A process that takes the guard of a folder until it has held it so often: `guard-process.ts DIR COUNT`. Says what came
// of it, and ends before where it is told anything but that another holds it.

import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WalError, messageOf } from '../../lib/errors.js';
import { holdGuard } from '../../lib/log/guard.js';

export interface Takings {
  held: number;
  problems: string[];
}

const [dir, count] = process.argv.slice(2);
if (dir === undefined || count === undefined) throw new TypeError('expected the folder and a number');

const takings: Takings = { held: 0, problems: [] };
const inside = join(dir, 'inside');
while (takings.held < Number(count) && takings.problems.length === 0) {
  try {
    const giveBack = await holdGuard(dir);
    // Fails where another is in there, too.
    await (await open(inside, 'wx')).close();
    await rm(inside);
    await giveBack();
    takings.held++;
  } catch (error) {
    const isLocked = error instanceof WalError && error.code === 'WAL_LOCKED';
    if (!isLocked) takings.problems.push(messageOf(error));
  }
}
process.send?.(takings, () => process.disconnect());
