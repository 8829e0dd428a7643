// A Wal on a temporary VAR_DIR, closed and gone afterwards. Everything is real but the clock.

import type { WalOptions } from '../../lib/config.js';
import type { WalEvent } from '../../lib/events.js';
import type { AuditRecord } from '../../lib/records.js';
import type { ReadItem } from '../../lib/passage.js';
import type { ReadOptions } from '../../lib/reading.js';
import { Wal } from '../../lib/wal.js';
import { withFolder } from './folder.js';
import { ManualClock } from './manual-clock.js';

/** Any kind, any record: tests are about more than the two shapes of the application. */
export type AnyWal = Wal<Record<string, object>>;

export interface OpenWal {
  /** What is open now: another one after `reopen`. */
  readonly wal: AnyWal;
  readonly varDir: string;
  readonly clock: ManualClock;
  /** What it told since it was first opened. */
  readonly events: WalEvent[];
  /** Closes it and opens it again, with other options over the first ones. */
  reopen: (options?: Partial<WalOptions>) => Promise<AnyWal>;
}

/** Without what takes disk, looks around or warns, unless a test asks for it. */
const quiet = { service: 'test', reserveBytes: 0, adopt: false, alerts: false as const };

export async function withWal(
  options: Partial<WalOptions>,
  use: (wal: AnyWal, opened: OpenWal) => Promise<void>,
): Promise<void> {
  await withFolder(async (varDir) => {
    const clock = new ManualClock();
    const events: WalEvent[] = [];
    const onEvent = (event: WalEvent) => void events.push(event);
    const open = (others: Partial<WalOptions> = {}): Promise<AnyWal> =>
      Wal.open({ ...quiet, varDir, clock, onEvent, ...options, ...others });
    let wal = await open();
    try {
      await use(wal, {
        get wal() {
          return wal;
        },
        varDir,
        clock,
        events,
        reopen: async (others) => {
          await wal.close();
          return (wal = await open(others));
        },
      });
    } finally {
      await wal.close();
    }
  });
}

/** The nth of a test's audit records. */
export function auditRecord(n: number): AuditRecord {
  return { ts: n, service: 'test', actor: 'me', action: 'count', resource: `thing-${n}`, outcome: 'ok' };
}

/** Every item of a stream, from the oldest that is known. */
export async function readAll(wal: AnyWal, kind: string, options: ReadOptions = {}): Promise<ReadItem[]> {
  const items: ReadItem[] = [];
  for await (const item of wal.read(kind, options)) items.push(item as ReadItem);
  return items;
}
