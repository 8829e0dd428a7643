// An instance of a service whose time runs a thousand times as fast, so that five minutes are a third of a second.

import type { Clock } from '../../lib/clock.js';
import { systemClock } from '../../lib/clock.js';
import type { WalEvent } from '../../lib/events.js';
import { httpSink } from '../../lib/ship/sinks/http.js';
import { Wal } from '../../lib/wal.js';
import type { AnyWal } from '../helpers/wal.js';

const FASTER = 1000;

const fast: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * FASTER,
  // Waits of less than a second are for other processes, which are no faster.
  sleep: (ms, signal) => systemClock.sleep(ms < 1000 ? ms : ms / FASTER, signal),
};

/** Opens it; with a URL, it ships its audit stream there, two records a batch. */
export async function openWorker(
  varDir: string,
  instance: string,
  baseUrl: string | undefined,
  onEvent: (event: WalEvent) => void,
): Promise<AnyWal> {
  const options = { service: 'test', instance, varDir, reserveBytes: 0, clock: fast, onEvent };
  const wal: AnyWal = await Wal.open(options);
  if (baseUrl !== undefined) wal.ship('audit', httpSink({ baseUrl }), { batchMax: 2 });
  return wal;
}

/** An event of adoption, as `<type> <instance> <why>`; undefined for any other. */
export function adoptionOf(event: WalEvent): string | undefined {
  if (event.type !== 'adopted' && event.type !== 'released') return undefined;
  return [event.type, event.instance, 'why' in event ? event.why : ''].join(' ').trim();
}
