// From when on a log warns: the thresholds of alerts, their defaults and checks. What is measured against them
// stands in operate/.

import { checkInteger, checkKnown, expected } from './checks.js';

/**
 * From when on a log warns, by an `alert` event and in `wal.health()`. Each threshold is for one shipper of one
 * stream, but `reserveMissingMs`; `false` turns it off.
 */
export interface AlertOptions {
  /** Records that wait to be delivered. Integer >= 1. @default 100_000 */
  backlogRecords?: number | false;
  /** Bytes that wait to be delivered, as they are stored. Integer >= 1. @default half of the log's `maxBytes` */
  backlogBytes?: number | false;
  /** How long the oldest record that waits to be delivered has waited, in ms. Integer >= 1. @default 900_000 */
  oldestAgeMs?: number | false;
  /** How long nothing may be delivered although records wait, in ms; beyond, health is `fail`. Integer >= 1. @default 300_000 */
  stalledMs?: number | false;
  /** How long the circuit breaker of the destination may be open, in ms. Integer >= 1. @default 60_000 */
  breakerOpenMs?: number | false;
  /** Records that were dropped or lost, since there last were none for `quietMs`. Integer >= 1. @default 1 */
  droppedRecords?: number | false;
  /** Records that were quarantined, likewise. Integer >= 1. @default 1 */
  quarantinedRecords?: number | false;
  /** How long the reserve may be missing, in ms: the next full disk is worse without it. Integer >= 1. @default 60_000 */
  reserveMissingMs?: number | false;
  /** How long no more records must go before `droppedRecords` and `quarantinedRecords` are cleared, in ms. Integer >= 1. @default 600_000 */
  quietMs?: number;
  /** How often all of that is looked at, in ms. Integer, 100 to 3,600,000. @default 5_000 */
  everyMs?: number;
}

/** What an alert is about: the option that sets its threshold. */
export type AlertName = Exclude<keyof AlertOptions, 'quietMs' | 'everyMs'>;

export type AlertThresholds = Readonly<Record<AlertName, number | false>> & {
  readonly quietMs: number;
  readonly everyMs: number;
};

const DEFAULTS: Omit<AlertThresholds, 'backlogBytes'> = {
  backlogRecords: 100_000,
  oldestAgeMs: 900_000,
  stalledMs: 300_000,
  breakerOpenMs: 60_000,
  droppedRecords: 1,
  quarantinedRecords: 1,
  reserveMissingMs: 60_000,
  quietMs: 600_000,
  everyMs: 5_000,
};

const ALL_OFF: Readonly<Record<AlertName, false>> = {
  backlogRecords: false,
  backlogBytes: false,
  oldestAgeMs: false,
  stalledMs: false,
  breakerOpenMs: false,
  droppedRecords: false,
  quarantinedRecords: false,
  reserveMissingMs: false,
};

/**
 * Checks alert options and fills in defaults; `false` turns every alert off.
 *
 * @throws {WalError} `WAL_CONFIG` naming the option, its value and what is expected.
 */
export function resolveAlerts(given: AlertOptions | false, maxBytes: number): AlertThresholds {
  const defaults: AlertThresholds = { ...DEFAULTS, backlogBytes: Math.ceil(maxBytes / 2) };
  const options: AlertOptions = given === false ? ALL_OFF : given;
  if (typeof options !== 'object' || options === null) throw expected('alerts', 'an object or false', given);
  checkKnown('alerts', options, new Set(Object.keys(defaults)));
  const threshold = (name: AlertName): number | false => {
    const value = options[name] ?? defaults[name];
    return value === false ? false : checkInteger(`alerts.${name}`, value, 1);
  };
  const { quietMs = defaults.quietMs, everyMs = defaults.everyMs } = options;
  return Object.freeze({
    backlogRecords: threshold('backlogRecords'),
    backlogBytes: threshold('backlogBytes'),
    oldestAgeMs: threshold('oldestAgeMs'),
    stalledMs: threshold('stalledMs'),
    breakerOpenMs: threshold('breakerOpenMs'),
    droppedRecords: threshold('droppedRecords'),
    quarantinedRecords: threshold('quarantinedRecords'),
    reserveMissingMs: threshold('reserveMissingMs'),
    quietMs: checkInteger('alerts.quietMs', quietMs, 1),
    everyMs: checkInteger('alerts.everyMs', everyMs, 100, 3_600_000),
  });
}
