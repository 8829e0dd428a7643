// An instance in a process of its own: `worker-process.ts VAR_DIR INSTANCE [URL]`. Takes a number of records to
// append and says their ids; says what becomes of its siblings' logs.

import { auditRecord } from '../helpers/wal.js';
import { adoptionOf, openWorker } from './worker.js';

const [varDir = '', instance = '', url] = process.argv.slice(2);
const wal = await openWorker(varDir, instance, url, (event) => {
  const told = adoptionOf(event);
  if (told !== undefined) process.send?.(told);
});
process.on('message', (count: number) => {
  const records = Array.from({ length: count }, (_, n) => auditRecord(n));
  void wal.appendMany('audit', records).then((receipts) => process.send?.(receipts.map(({ id }) => id)));
});
process.send?.('open');
