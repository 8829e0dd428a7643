// Migrates the database in a folder and kills itself at a commit: `migrate-process.ts DIR NUMBER before|after`.

import { systemClock } from '../../lib/clock.js';
import { databaseFolder } from '../../lib/log/folder.js';
import { migrate } from '../../lib/log/migrate.js';
import type { Changes } from '../../lib/log/store.js';
import { openStore } from '../../lib/log/store.js';
import { LAST_FORMAT, artificialSteps } from './steps.js';

const [dir = '', number = '', when = ''] = process.argv.slice(2);
const store = await openStore(databaseFolder(dir), false);
let commits = 0;
const die = () => process.kill(process.pid, 'SIGKILL');
const killing = Object.assign(Object.create(store) as typeof store, {
  get: store.get.bind(store),
  scan: store.scan.bind(store),
  scanKeys: store.scanKeys.bind(store),
  commit: async (changes: Changes) => {
    const last = ++commits === Number(number);
    if (last && when === 'before') die();
    await store.commit(changes);
    if (last && when === 'after') die();
  },
});
await migrate(killing, dir, { steps: artificialSteps, format: LAST_FORMAT, clock: systemClock });
await store.close();
process.send?.('done');
process.disconnect?.();
