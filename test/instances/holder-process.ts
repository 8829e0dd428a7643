// Holds the database in a folder and answers to nobody: `holder-process.ts DB`.

import { openStore } from '../../lib/log/store.js';

const [database = ''] = process.argv.slice(2);
await openStore(database, false);
// Keeps the process alive for as long as its parent lives.
process.on('message', () => {});
process.send?.('held');
