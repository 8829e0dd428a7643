// The log of a transport, read after its process has ended.

import * as assert from 'uvu/assert';
import type { LogRecord } from '../../lib/index.js';
import { Wal } from '../../lib/index.js';
import type { AnyWal } from '../helpers/wal.js';
import { readAll } from '../helpers/wal.js';

export async function recordsOf(varDir: string): Promise<LogRecord[]> {
  const quiet = { reserveBytes: 0, adopt: false, alerts: false as const };
  await using wal: AnyWal = await Wal.open({ service: 'test', instance: 'pino', varDir, ...quiet });
  assert.ok((await wal.verify()).ok);
  const items = await readAll(wal, 'log');
  return items.map((item) => ('record' in item ? item.record : item) as unknown as LogRecord);
}
