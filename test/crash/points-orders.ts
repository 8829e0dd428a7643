// What a service of the crash lab is told, and how its log is opened, by itself and by whoever comes after it.

import type { WalOptions } from '../../lib/config.js';

/** What a service can be told to die at, by its own hand: edges that no system call marks. */
export const DEATHS = [
  'before the first append',
  'an append is on its way',
  'an append was acknowledged',
  'a batch has arrived, its receipt has not',
  'the receipt has arrived, the acknowledgement is on its way',
  'records were evicted',
  'the disk is full',
  'a rejected write has healed',
  'closing',
  'closed',
] as const;

export type Death = (typeof DEATHS)[number];

export interface Orders {
  varDir: string;
  /** The first part of its records' numbers: new for every process. */
  run: string;
  seed: number;
  /** Steps until it closes. */
  steps: number;
  /** Where to die, at the nth time. */
  die?: { at: Death; nth: number };
}

/** How every log of the crash lab is opened: bounds small enough that each edge comes soon. */
export const LAB_OPTIONS = {
  service: 'lab',
  maxBytes: 4 * 1_048_576,
  reserveBytes: 262_144,
  streams: {
    log: { maxBytes: 262_144 },
    audit: { shippers: ['default', 'second'] },
    kept: { whenFull: 'reject', keepDeliveredBytes: 65_536 },
  },
} as const satisfies Omit<WalOptions, 'streams'> & { streams: Record<string, object> };

/** LAB_OPTIONS, as `Wal.open` takes them. */
export function labOptions(varDir: string, others: Partial<WalOptions> = {}): WalOptions {
  const { log, audit, kept } = LAB_OPTIONS.streams;
  return {
    ...LAB_OPTIONS,
    streams: { log: { ...log }, audit: { shippers: [...audit.shippers] }, kept: { ...kept } },
    varDir,
    ...others,
  };
}
