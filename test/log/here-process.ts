// Tries to open the database in a folder, as another process would: `here-process.ts DB`. Says what came of it.

import { WalError } from '../../lib/errors.js';
import { openStore } from '../../lib/log/store.js';

const [database = ''] = process.argv.slice(2);
try {
  const store = await openStore(database, false);
  await store.close();
  process.send?.('opened');
} catch (error) {
  process.send?.(error instanceof WalError ? error.code : String(error));
}
process.disconnect?.();
