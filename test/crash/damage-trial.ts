// One damaged copy of a picture, opened, checked, and opened again.

import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { WalEvent } from '../../lib/events.js';
import { logFolder } from '../../lib/log/folder.js';
import { Wal } from '../../lib/wal.js';
import { ManualClock } from '../helpers/manual-clock.js';
import type { Picture } from './damage-lab.js';
import { copyLog, damageOptions, fastFolder } from './damage-lab.js';
import type { Expected, Outcome } from './damage-promises.js';
import { checkLedger, checkPromises } from './damage-promises.js';

/** Changes a log's folder behind everybody's back. */
export type Damage = (dir: string) => Promise<void>;

export function flip(file: string, offset: number, bit: number): Damage {
  return async (dir) => {
    const content = await readFile(join(dir, file));
    content[offset]! ^= 1 << bit;
    await writeFile(join(dir, file), content);
  };
}

export function cut(file: string, length: number): Damage {
  return (dir) => truncate(join(dir, file), length);
}

export function remove(file: string): Damage {
  return (dir) => rm(join(dir, file), { recursive: true });
}

/** A copy of a picture in a VAR_DIR of its own, gone afterwards. */
export async function withCopy<T>(
  picture: Picture,
  use: (varDir: string, dir: string) => Promise<T>,
): Promise<T> {
  const varDir = await mkdtemp(join(fastFolder(), 'nv-wal-'));
  try {
    const dir = logFolder(varDir, 'lab', 'main');
    await copyLog(picture.dir, dir);
    return await use(varDir, dir);
  } finally {
    await rm(varDir, { recursive: true, force: true });
  }
}

/** Damages a copy of a picture and asserts what must hold of it when it is opened, and opened once more. */
export async function trial(picture: Picture, damage: Damage, expected: Expected = {}): Promise<Outcome> {
  return await withCopy(picture, async (varDir, dir) => {
    await damage(dir);
    const events: WalEvent[] = [];
    const onEvent = (event: WalEvent) => void events.push(event);
    const options = damageOptions(varDir, { clock: new ManualClock(), onEvent });
    let outcome: Outcome;
    {
      await using wal = await Wal.open<Record<string, object>>(options);
      outcome = await checkPromises(picture.facts, wal, events, expected);
    }
    await using again = await Wal.open<Record<string, object>>(options);
    checkLedger(again);
    assert.equal((await again.verify()).problems, [], 'opened again, nothing is wrong');
    return outcome;
  });
}
