// Several instances of one service below one VAR_DIR, each with a clock of its own.

import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { WalOptions } from '../../lib/config.js';
import type { WalEvent } from '../../lib/events.js';
import { LEFT_ALONE_MS, LOOK_MS } from '../../lib/instances/adopter.js';
import { Wal } from '../../lib/wal.js';
import { withFolder } from '../helpers/folder.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { until } from '../helpers/until.js';
import type { AnyWal } from '../helpers/wal.js';
import { auditRecord } from '../helpers/wal.js';

export interface Living {
  readonly wal: AnyWal;
  readonly clock: ManualClock;
  readonly events: WalEvent[];
  /** Lets it look at its siblings once. */
  look(): Promise<void>;
  /** Lets so much time pass that a log which nobody touches meanwhile was left alone for long enough. */
  leaveAlone(): Promise<void>;
  /** Its events of some types, as `<type> <instance> <why>`. */
  told(...types: WalEvent['type'][]): string[];
}

export interface House {
  readonly varDir: string;
  folderOf(instance: string): string;
  /** A living instance; closed with the house. */
  live(instance: string, options?: Partial<WalOptions>): Promise<Living>;
  /** An instance that appends so many audit records and is gone; returns their ids. */
  leave(instance: string, records: number, options?: Partial<WalOptions>): Promise<string[]>;
}

const SERVICE = 'test';

export async function withHouse(use: (house: House) => Promise<void>): Promise<void> {
  await withFolder(async (varDir) => {
    const opened: AnyWal[] = [];
    const open = async (options: Partial<WalOptions>) => {
      const wal: AnyWal = await Wal.open({ service: SERVICE, varDir, reserveBytes: 0, ...options });
      opened.push(wal);
      return wal;
    };
    try {
      await use({
        varDir,
        folderOf: (instance) => join(varDir, 'nv-wal', SERVICE, instance),
        live: async (instance, options) => {
          const clock = new LookClock();
          const events: WalEvent[] = [];
          const onEvent = (event: WalEvent) => void events.push(event);
          return livingOf(await open({ instance, clock, onEvent, ...options }), clock, events);
        },
        leave: async (instance, records, options) => {
          const wal = await open({ instance, clock: new ManualClock(), ...options });
          const many = Array.from({ length: records }, (_, n) => auditRecord(n + 1));
          const receipts = await wal.appendMany('audit', many);
          await wal.close();
          return receipts.map(({ id }) => id);
        },
      });
    } finally {
      for (const wal of opened) await wal.close();
    }
  });
}

/** Knows how often somebody went to sleep until the next look. */
class LookClock extends ManualClock {
  looks = 0;

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms === LOOK_MS) this.looks++;
    return super.sleep(ms, signal);
  }
}

function livingOf(wal: AnyWal, clock: LookClock, events: WalEvent[]): Living {
  const look = async () => {
    const looked = clock.looks;
    clock.advance(LOOK_MS);
    await until(() => clock.looks > looked, 'it has looked');
  };
  return {
    wal,
    clock,
    events,
    look,
    leaveAlone: async () => {
      for (let waited = -LOOK_MS; waited < LEFT_ALONE_MS; waited += LOOK_MS) await look();
    },
    told: (...types) =>
      events
        .filter(({ type }) => types.includes(type))
        .map((event) => [event.type, event.instance, 'why' in event ? event.why : ''].join(' ').trim()),
  };
}

/** Each of some ids once, and nothing else. */
export function assertSame(found: readonly string[], expected: readonly string[]): void {
  assert.equal(found.toSorted(), expected.toSorted());
}
