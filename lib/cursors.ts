// Moving a cursor back, or giving it up, because somebody asks for it.

import { checkInteger } from './checks.js';
import { WalError } from './errors.js';
import type { Log } from './log/log.js';
import { forget } from './log/operations.js';
import { replay } from './log/replay.js';
import type { ReplayOptions } from './reports.js';

/** See `Wal.replay`. `checkRoom` throws where a stream takes no more. */
export async function replayOnDemand(
  log: Log,
  kind: string,
  { from, shipper = 'default' }: ReplayOptions,
  checkRoom: (kind: string, bytes: number) => void,
): Promise<{ records: number }> {
  checkInteger('from', from, 1);
  await log.flush();
  return { records: await replay(log, { kind, shipper, from }, (bytes) => checkRoom(kind, bytes)) };
}

/** See `Wal.forget`. */
export async function forgetOnDemand(
  log: Log,
  kind: string,
  shipper: string,
  isRunning: boolean,
): Promise<{ records: number }> {
  if (!log.stream(kind).cursors.has(shipper)) {
    throw new WalError('WAL_CONFIG', `'${kind}' has no cursor '${shipper}'`);
  }
  if (isRunning)
    throw new WalError('WAL_CONFIG', `the shipper '${shipper}' of '${kind}' runs; stop it first`);
  return { records: await log.change((draft) => forget(draft, kind, shipper)) };
}
